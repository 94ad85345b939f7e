//! Which messages arrived, and were not said to.

use im_wire::{Message, Peer};
use std::collections::VecDeque;

/// Messages that were passed on, until they are acknowledged: not before whoever takes the events has
/// asked for what follows them, so that a program that dies over a message gets it again.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// As what event each was passed on, oldest first.
    shown: VecDeque<(u64, Peer, i64)>,
}

impl Acks {
    /// This message was passed on no later than as that event.
    pub(crate) fn shown(&mut self, event: u64, message: &Message) {
        let conversation = match message.to {
            Peer::User(_) if !message.is_copy => Peer::User(message.from),
            to => to,
        };
        // One acknowledgement says the same of all before it.
        if let Some(last) = self.shown.back_mut()
            && (last.0, last.1) == (event, conversation)
        {
            last.2 = message.msg_id;
            return;
        }
        self.shown.push_back((event, conversation, message.msg_id));
    }

    /// What is to be acknowledged once that many events were handled: the last message of each of at
    /// most `max` conversations.
    pub(crate) fn due(&mut self, handled: u64, max: usize) -> Vec<i64> {
        let mut last: Vec<(Peer, i64)> = Vec::new();
        self.shown.retain(|(event, conversation, msg_id)| {
            if *event > handled {
                return true;
            }
            let known = last.iter().position(|(known, _)| known == conversation);
            match known {
                Some(at) => last[at].1 = *msg_id,
                None if last.len() < max => last.push((*conversation, *msg_id)),
                None => return true,
            }
            false
        });
        last.into_iter().map(|(_, msg_id)| msg_id).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The connection is gone: what was not acknowledged is pushed again.
    pub(crate) fn clear(&mut self) {
        self.shown.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(msg_id: i64, from: i64, to: Peer) -> Message {
        Message { msg_id, seq: 0, from, to, is_copy: from == 7, ts_ms: 0, text: String::new() }
    }

    #[test]
    fn only_what_was_handled_is_acknowledged_and_each_conversation_once() {
        let mut acks = Acks::default();
        let (me, crew) = (Peer::User(7), Peer::Group(4));
        for (event, msg_id, from, to) in [
            (1, 11, 8, me),
            (2, 12, 8, crew),
            (3, 13, 9, me),
            // From another device of the user's own: the conversation is that with 8.
            (4, 14, 7, Peer::User(8)),
            (6, 15, 9, crew),
        ] {
            acks.shown(event, &message(msg_id, from, to));
        }
        assert_eq!(acks.due(0, 9), [0; 0]);
        assert_eq!(acks.due(5, 9), [14, 12, 13]);
        assert!(!acks.is_empty(), "the last one was not handled");
        assert_eq!(acks.due(6, 9), [15]);
        assert!(acks.is_empty());
    }

    #[test]
    fn conversations_for_which_there_is_no_room_wait() {
        let mut acks = Acks::default();
        for (event, from) in [(1, 8), (2, 9), (3, 8), (4, 9)] {
            acks.shown(event, &message(i64::try_from(event).expect("small"), from, Peer::User(7)));
        }
        assert_eq!(acks.due(4, 1), [3]);
        assert_eq!(acks.due(4, 1), [4]);
        assert!(acks.is_empty());
    }
}
