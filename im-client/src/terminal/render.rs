//! What things look like.
//!
//! Everything that came from the server is escaped once more: the terminal is a person's, and the
//! server may not be ours.

use im_client::{Answer, Conv, Event, Push, RequestError};
use im_wire::text::Escaped;
use std::fmt::Write as _;

pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Message(message) => self::message(message),
        Event::Disconnected { reason, retry_in } => {
            let reason = Escaped(reason);
            format!("* not connected: {reason}; next try in {:.1} s", retry_in.as_secs_f64())
        }
        Event::Reconnected { uid: Some(uid) } => {
            format!("* connected again, logged in as uid {uid}")
        }
        Event::Reconnected { uid: None } => "* connected again, not logged in".to_owned(),
        Event::SessionClosed { reason } => {
            format!("* the session was closed: {}; log in to go on", Escaped(reason))
        }
    }
}

fn message(message: &Push<'_>) -> String {
    let Push { from, to, group_id, text, .. } = message;
    let text = Escaped(text);
    match (to, group_id) {
        (Some(to), _) => format!("<you to {to}> {text}"),
        (None, Some(group_id)) => format!("<{from} in group {group_id}> {text}"),
        (None, None) => format!("<{from}> {text}"),
    }
}

pub(crate) fn answer(outcome: &Result<Answer, RequestError>) -> String {
    match outcome {
        Err(error) => format!("error: {}", Escaped(&error.to_string())),
        Ok(answer) => {
            let mut lines = String::new();
            for message in &answer.history {
                let text = Escaped(&message.text);
                // Writing to a string does not fail.
                let _ = writeln!(lines, "{}. <{}> {text}", message.seq, message.from);
            }
            for Conv { peer, unread, from, text, .. } in &answer.conversations {
                let unread = if *unread > 0 { format!(", {unread} unread") } else { String::new() };
                let _ = writeln!(lines, "{peer}{unread}: <{from}> {}", Escaped(text));
            }
            if let Some(uid) = answer.number("uid") {
                let _ = write!(lines, "you are uid {uid}");
            } else if let Some(msg_id) = answer.msg_id() {
                let _ = write!(lines, "sent, msg_id={msg_id}");
            } else {
                let _ = write!(lines, "{}", Escaped(&answer.text));
            }
            lines
        }
    }
}

pub(crate) fn prompt(uid: Option<i64>) -> String {
    match uid {
        Some(uid) => format!("uid {uid}> "),
        None => "not logged in> ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_client::{Hist, Peer};
    use std::borrow::Cow;

    fn push(to: Option<i64>, group_id: Option<i64>) -> Event {
        let text = Cow::Borrowed("hi\x1B[2J");
        Event::Message(Push { msg_id: 1, from: 9, to, ts_ms: 3, group_id, text })
    }

    #[test]
    fn a_message_says_from_whom_and_where_and_cannot_move_the_cursor() {
        assert_eq!(event(&push(None, None)), r"<9> hi\x1B[2J");
        assert_eq!(event(&push(None, Some(4))), r"<9 in group 4> hi\x1B[2J");
        assert_eq!(event(&push(Some(7), None)), r"<you to 7> hi\x1B[2J");
    }

    #[test]
    fn a_history_stands_above_its_end() {
        let text = Cow::Borrowed("hi");
        let history = vec![Hist { seq: 1, msg_id: 2, from: 9, ts_ms: 3, text }];
        let text = "history_done".to_owned();
        let answer = Answer { text, history, ..Answer::default() };
        assert_eq!(super::answer(&Ok(answer)), "1. <9> hi\nhistory_done");
    }

    #[test]
    fn a_list_says_where_something_is_unread() {
        let conv = |peer, unread| Conv {
            peer,
            head: 9,
            read: 1,
            unread,
            last_msg_id: 2,
            from: 9,
            ts_ms: 3,
            text: Cow::Borrowed("hi\x1B[2J"),
        };
        let conversations = vec![conv(Peer::User(9), 0), conv(Peer::Group(4), 7)];
        let text = "conversations_done".to_owned();
        let answer = Answer { text, conversations, ..Answer::default() };
        assert_eq!(
            super::answer(&Ok(answer)),
            "9: <9> hi\\x1B[2J\ng4, 7 unread: <9> hi\\x1B[2J\nconversations_done"
        );
    }
}
