//! The order of a session's own messages.
//!
//! At most one `SendBatch` is under way to each conversation; what the client sends meanwhile waits
//! and forms the next. So pipelined messages cannot overtake each other, and the faster a client
//! sends, the larger its batches.
//!
//! Pure: lines in, batches out.

use std::collections::{HashMap, VecDeque};

use im_wire::{Peer, Slot};
use mpim_proto::{Outgoing, Priority};

/// How messages are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) priority: Priority,
    /// The client wants to know how far others are.
    pub(crate) receipts: bool,
    /// The client chose the ids, and may send the same again, here or through another gateway.
    pub(crate) repeatable: bool,
}

/// What one `SendBatch` carries, with the place of each reply.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) target: Peer,
    pub(crate) manner: Manner,
    pub(crate) slots: Vec<Slot>,
    pub(crate) messages: Vec<Outgoing>,
}

/// How much one `SendBatch` may carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) messages_max: usize,
    /// Of texts and ids. A longer message goes alone.
    pub(crate) bytes_max: usize,
}

/// The messages that are not answered. Bounded by the commands that a connection may have in flight,
/// since each waits for its reply, and by the caller, who asks for their [`bytes`](Self::bytes).
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// That of messages which do not say how they are sent, and have no id of their own.
    pub(crate) manner: Manner,
    /// One for each conversation with a batch under way, or whose next may go.
    queues: HashMap<Peer, Queue>,
    /// Conversations whose next batch may go, those with the longest wait first.
    ready: VecDeque<Peer>,
    bytes: usize,
}

/// The messages to one conversation.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Of the batch that is under way.
    bytes_under_way: usize,
}

#[derive(Debug)]
struct Waiting {
    slot: Slot,
    manner: Manner,
    message: Outgoing,
}

impl Sending {
    /// A message to send.
    pub(crate) fn push(&mut self, target: Peer, slot: Slot, manner: Manner, message: Outgoing) {
        let queue = self.queues.entry(target).or_insert_with(|| {
            self.ready.push_back(target);
            Queue::default()
        });
        self.bytes += bytes(&message);
        queue.waiting.push_back(Waiting { slot, manner, message });
    }

    /// The next batch that may go: messages that are sent alike. It ends with [`done`](Self::done).
    pub(crate) fn next_batch(&mut self, limits: BatchLimits) -> Option<Batch> {
        let target = self.ready.pop_front()?;
        let queue = self.queues.get_mut(&target)?;
        let manner = queue.waiting.front()?.manner;
        let (mut slots, mut messages) = (Vec::new(), Vec::new());
        while let Some(next) = queue.waiting.front() {
            let with_it = queue.bytes_under_way + bytes(&next.message);
            let is_full = messages.len() >= limits.messages_max || with_it > limits.bytes_max;
            if !messages.is_empty() && (is_full || next.manner != manner) {
                break;
            }
            queue.bytes_under_way = with_it;
            let Waiting { slot, message, .. } = queue.waiting.pop_front()?;
            slots.push(slot);
            messages.push(message);
        }
        Some(Batch { target, manner, slots, messages })
    }

    /// The batch under way to `target` has ended, well or not.
    pub(crate) fn done(&mut self, target: Peer) {
        let Some(queue) = self.queues.get_mut(&target) else { return };
        self.bytes -= std::mem::take(&mut queue.bytes_under_way);
        if queue.waiting.is_empty() {
            self.queues.remove(&target);
        } else {
            self.ready.push_back(target);
        }
    }

    /// Bytes of the messages that are not answered.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn bytes(message: &Outgoing) -> usize {
    message.client_msg_id.len() + message.text.len()
}

#[cfg(test)]
mod tests {
    use im_wire::text::{ServerConnection, TextLimits};

    use super::*;

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.messages.iter().map(|message| message.text.as_str()).collect()
    }

    fn message(text: &str) -> Outgoing {
        Outgoing { client_msg_id: "id".to_owned(), text: text.to_owned() }
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

    const LIMITS: BatchLimits = BatchLimits { messages_max: 2, bytes_max: 1 << 20 };

    #[test]
    fn lines_that_wait_for_a_batch_form_the_next_in_their_order() {
        let mut sending = Sending::default();
        let target = Peer::User(2);
        let mut slots = send_slots(4).into_iter();
        let mut push = |sending: &mut Sending, text: &str| {
            sending.push(target, slots.next().unwrap(), Manner::default(), message(text));
        };
        push(&mut sending, "1");
        assert_eq!(texts(&sending.next_batch(LIMITS).unwrap()), ["1"]);
        for text in ["2", "3", "4"] {
            push(&mut sending, text);
        }
        assert!(sending.next_batch(LIMITS).is_none(), "one is under way");
        sending.done(target);
        assert_eq!(texts(&sending.next_batch(LIMITS).unwrap()), ["2", "3"]);
        sending.done(target);
        assert_eq!(texts(&sending.next_batch(LIMITS).unwrap()), ["4"]);
        sending.done(target);
        assert!(sending.next_batch(LIMITS).is_none());
        assert!(sending.queues.is_empty(), "nothing is kept of a conversation at rest");
    }

    #[test]
    fn conversations_do_not_wait_for_each_other() {
        let mut sending = Sending::default();
        let mut slots = send_slots(2).into_iter();
        let mut push = |sending: &mut Sending, target, text| {
            sending.push(target, slots.next().unwrap(), Manner::default(), message(text));
        };
        push(&mut sending, Peer::User(2), "a");
        sending.next_batch(LIMITS).unwrap();
        push(&mut sending, Peer::Group(2), "b");
        let batch = sending.next_batch(LIMITS).unwrap();
        assert_eq!((batch.target, texts(&batch)), (Peer::Group(2), vec!["b"]));
    }

    #[test]
    fn a_batch_has_a_bound_in_bytes_and_a_longer_message_goes_alone() {
        let mut sending = Sending::default();
        let target = Peer::User(2);
        let texts_sent = ["12345678", "123456", "1", "12345678901", "1"];
        for (slot, text) in send_slots(5).into_iter().zip(texts_sent) {
            sending.push(target, slot, Manner::default(), message(text));
        }
        assert_eq!(sending.bytes(), 27 + 5 * 2);
        let limits = BatchLimits { messages_max: 256, bytes_max: 11 };
        for expected in [&["12345678"][..], &["123456", "1"], &["12345678901"], &["1"]] {
            assert_eq!(texts(&sending.next_batch(limits).unwrap()), expected);
            sending.done(target);
        }
        assert_eq!((sending.bytes(), sending.queues.len()), (0, 0));
    }

    #[test]
    fn what_is_sent_otherwise_goes_in_a_batch_of_its_own_and_in_its_turn() {
        let mut sending = Sending::default();
        let high = Manner { priority: Priority::High, ..Manner::default() };
        let manners = [Manner::default(), high, high, Manner::default()];
        for (slot, manner) in send_slots(4).into_iter().zip(manners) {
            sending.push(Peer::User(2), slot, manner, message("x"));
        }
        let limits = BatchLimits { messages_max: 256, ..LIMITS };
        for (count, manner) in [(1, Manner::default()), (2, high), (1, Manner::default())] {
            let batch = sending.next_batch(limits).unwrap();
            assert_eq!((batch.messages.len(), batch.manner), (count, manner));
            sending.done(Peer::User(2));
        }
    }
}
