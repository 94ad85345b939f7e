//! What things look like.
//!
//! Everything that came from the server is escaped once more: the terminal is a person's, and the
//! server may not be ours.

use im_client::{Conv, Event, Hist, Message, Peer, Reply, RequestError, Signal};
use im_wire::text::Escaped;

pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Message(message) => self::message(message),
        Event::Signal(signal) => self::signal(signal),
        Event::Stored { msg_id, .. } => format!("* sent, msg_id={msg_id}"),
        Event::Unsent { error, .. } => format!("* not sent: {}", Escaped(&error.to_string())),
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

fn message(message: &Message) -> String {
    let Message { from, to, is_copy, text, .. } = message;
    let text = Escaped(text);
    match to {
        Peer::Group(group_id) => format!("<{from} in group {group_id}> {text}"),
        Peer::User(to) if *is_copy => format!("<you to {to}> {text}"),
        Peer::User(_) => format!("<{from}> {text}"),
    }
}

/// As the server's lines have it.
fn signal(signal: &Signal) -> String {
    let line = signal.encode();
    format!("* {}", String::from_utf8_lossy(line.as_bytes()).trim_end())
}

pub(crate) fn answer(outcome: &Result<Reply, RequestError>) -> String {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) => return format!("error: {}", Escaped(&error.to_string())),
    };
    match reply {
        Reply::Uid(uid) => format!("you are uid {uid}"),
        Reply::LoggedIn(logged_in) => format!("you are uid {}", logged_in.user_id),
        Reply::MsgId(id)
        | Reply::MsgIdSeq(id, _)
        | Reply::GroupMsgId(id)
        | Reply::GroupMsgIdSeq(id, _) => format!("sent, msg_id={id}"),
        Reply::History(messages) => {
            let line = |message: &Hist<'_>| {
                format!("{}. <{}> {}\n", message.seq, message.from, Escaped(&message.text))
            };
            messages.iter().map(line).collect::<String>() + "history_done"
        }
        Reply::Conversations { listed, .. } => {
            listed.iter().map(conversation).collect::<String>() + "conversations_done"
        }
        // The others say what the server's line says.
        reply => {
            let mut lines = String::new();
            // Writing to a string does not fail.
            let _ = reply.write(&mut lines);
            lines.trim_end().trim_start_matches("+OK ").to_owned()
        }
    }
}

fn conversation(Conv { peer, unread, from, text, .. }: &Conv<'_>) -> String {
    let unread = if *unread > 0 { format!(", {unread} unread") } else { String::new() };
    format!("{peer}{unread}: <{from}> {}\n", Escaped(text))
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
    use std::borrow::Cow;

    fn push(to: Peer, is_copy: bool) -> Event {
        let text = "hi\x1B[2J".to_owned();
        Event::Message(Message { msg_id: 1, seq: 0, from: 9, to, is_copy, ts_ms: 3, text })
    }

    #[test]
    fn a_message_says_from_whom_and_where_and_cannot_move_the_cursor() {
        assert_eq!(event(&push(Peer::User(7), false)), r"<9> hi\x1B[2J");
        assert_eq!(event(&push(Peer::Group(4), false)), r"<9 in group 4> hi\x1B[2J");
        assert_eq!(event(&push(Peer::User(7), true)), r"<you to 7> hi\x1B[2J");
    }

    #[test]
    fn a_history_stands_above_its_end() {
        let text = Cow::Borrowed("hi");
        let history = vec![Hist { seq: 1, msg_id: 2, from: 9, ts_ms: 3, text }];
        assert_eq!(super::answer(&Ok(Reply::History(history))), "1. <9> hi\nhistory_done");
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
        assert_eq!(
            super::answer(&Ok(Reply::Conversations { listed: conversations, next_page: None })),
            "9: <9> hi\\x1B[2J\ng4, 7 unread: <9> hi\\x1B[2J\nconversations_done"
        );
    }
}
