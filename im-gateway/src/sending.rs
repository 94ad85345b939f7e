//! The order of a session's own messages.
//!
//! At most one `SendBatch` is under way to each conversation; what the client sends meanwhile waits
//! and forms the next. So pipelined messages cannot overtake each other, and the faster a client
//! sends, the larger its batches.
//!
//! Pure: lines in, batches out.

use std::collections::{HashMap, VecDeque};

use im_wire::Slot;
use mpim_proto::{Outgoing, Priority};

/// The other side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    User(i64),
    Group(i64),
}

/// How a session's messages are sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) priority: Priority,
    /// The client wants to know how far others are.
    pub(crate) receipts: bool,
}

/// What one `SendBatch` carries, with the place of each reply.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) target: Target,
    pub(crate) manner: Manner,
    pub(crate) slots: Vec<Slot>,
    pub(crate) messages: Vec<Outgoing>,
}

/// The messages that wait for their turn. Bounded by the commands that a connection may have in
/// flight, since each waits for its reply.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Does not change while messages wait: the commands that change it wait for their replies.
    pub(crate) manner: Manner,
    /// One for each conversation with a batch under way.
    waiting: HashMap<Target, VecDeque<(Slot, Outgoing)>>,
    /// Conversations whose next batch may go, those with the longest wait first.
    ready: VecDeque<Target>,
}

impl Sending {
    /// A message to send.
    pub(crate) fn push(&mut self, target: Target, slot: Slot, client_msg_id: String, text: String) {
        let waiting = self.waiting.entry(target).or_insert_with(|| {
            self.ready.push_back(target);
            VecDeque::new()
        });
        waiting.push_back((slot, Outgoing { client_msg_id, text }));
    }

    /// The next batch that may go, of at most `max` messages. It ends with [`done`](Self::done).
    pub(crate) fn next_batch(&mut self, max: usize) -> Option<Batch> {
        let target = self.ready.pop_front()?;
        let waiting = self.waiting.get_mut(&target)?;
        let gathered = waiting.drain(..waiting.len().min(max));
        let (slots, messages) = gathered.unzip();
        Some(Batch { target, manner: self.manner, slots, messages })
    }

    /// The batch under way to `target` has ended, well or not.
    pub(crate) fn done(&mut self, target: Target) {
        if self.waiting.get(&target).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(&target);
        } else {
            self.ready.push_back(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use im_wire::text::{ServerConnection, TextLimits};

    use super::*;

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.messages.iter().map(|message| message.text.as_str()).collect()
    }

    /// Slots of sends that are all in flight at once.
    fn send_slots(count: usize) -> Vec<Slot> {
        let mut connection = ServerConnection::new(TextLimits::default());
        connection.receive(b"LOGIN a b\n");
        let (slot, _) = connection.next_command().unwrap();
        connection.reply(slot, im_wire::Reply::Uid(1));
        connection.receive("SEND 1 x\n".repeat(count).as_bytes());
        std::iter::from_fn(|| connection.next_command().map(|(slot, _)| slot)).collect()
    }

    #[test]
    fn lines_that_wait_for_a_batch_form_the_next_in_their_order() {
        let mut sending = Sending::default();
        let target = Target::User(2);
        let mut slots = send_slots(4).into_iter();
        let mut push = |sending: &mut Sending, text: &str| {
            sending.push(target, slots.next().unwrap(), String::new(), text.to_owned());
        };
        push(&mut sending, "1");
        assert_eq!(texts(&sending.next_batch(256).unwrap()), ["1"]);
        for text in ["2", "3", "4"] {
            push(&mut sending, text);
        }
        assert!(sending.next_batch(256).is_none(), "one is under way");
        sending.done(target);
        assert_eq!(texts(&sending.next_batch(2).unwrap()), ["2", "3"]);
        sending.done(target);
        assert_eq!(texts(&sending.next_batch(2).unwrap()), ["4"]);
        sending.done(target);
        assert!(sending.next_batch(2).is_none());
        assert!(sending.waiting.is_empty(), "nothing is kept of a conversation at rest");
    }

    #[test]
    fn conversations_do_not_wait_for_each_other() {
        let mut sending = Sending::default();
        let mut slots = send_slots(2).into_iter();
        sending.push(Target::User(2), slots.next().unwrap(), String::new(), "a".to_owned());
        sending.next_batch(256).unwrap();
        sending.push(Target::Group(2), slots.next().unwrap(), String::new(), "b".to_owned());
        let batch = sending.next_batch(256).unwrap();
        assert_eq!((batch.target, texts(&batch)), (Target::Group(2), vec!["b"]));
    }
}
