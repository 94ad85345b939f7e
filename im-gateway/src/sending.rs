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
    /// Does not change while messages wait: the commands that change it wait for their replies.
    pub(crate) manner: Manner,
    /// One for each conversation with a batch under way, or whose next may go.
    queues: HashMap<Target, Queue>,
    /// Conversations whose next batch may go, those with the longest wait first.
    ready: VecDeque<Target>,
    bytes: usize,
}

/// The messages to one conversation.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Slot, Outgoing)>,
    /// Of the batch that is under way.
    bytes_under_way: usize,
}

impl Sending {
    /// A message to send.
    pub(crate) fn push(&mut self, target: Target, slot: Slot, client_msg_id: String, text: String) {
        let queue = self.queues.entry(target).or_insert_with(|| {
            self.ready.push_back(target);
            Queue::default()
        });
        let message = Outgoing { client_msg_id, text };
        self.bytes += bytes(&message);
        queue.waiting.push_back((slot, message));
    }

    /// The next batch that may go. It ends with [`done`](Self::done).
    pub(crate) fn next_batch(&mut self, limits: BatchLimits) -> Option<Batch> {
        let target = self.ready.pop_front()?;
        let queue = self.queues.get_mut(&target)?;
        let (mut slots, mut messages) = (Vec::new(), Vec::new());
        while let Some((_, message)) = queue.waiting.front() {
            let with_it = queue.bytes_under_way + bytes(message);
            let is_full = messages.len() >= limits.messages_max || with_it > limits.bytes_max;
            if is_full && !messages.is_empty() {
                break;
            }
            queue.bytes_under_way = with_it;
            let (slot, message) = queue.waiting.pop_front()?;
            slots.push(slot);
            messages.push(message);
        }
        Some(Batch { target, manner: self.manner, slots, messages })
    }

    /// The batch under way to `target` has ended, well or not.
    pub(crate) fn done(&mut self, target: Target) {
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
        let target = Target::User(2);
        let mut slots = send_slots(4).into_iter();
        let mut push = |sending: &mut Sending, text: &str| {
            sending.push(target, slots.next().unwrap(), String::new(), text.to_owned());
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
        sending.push(Target::User(2), slots.next().unwrap(), String::new(), "a".to_owned());
        sending.next_batch(LIMITS).unwrap();
        sending.push(Target::Group(2), slots.next().unwrap(), String::new(), "b".to_owned());
        let batch = sending.next_batch(LIMITS).unwrap();
        assert_eq!((batch.target, texts(&batch)), (Target::Group(2), vec!["b"]));
    }

    #[test]
    fn a_batch_has_a_bound_in_bytes_and_a_longer_message_goes_alone() {
        let mut sending = Sending::default();
        let target = Target::User(2);
        let texts_sent = ["12345678", "123456", "1", "12345678901", "1"];
        for (slot, text) in send_slots(5).into_iter().zip(texts_sent) {
            sending.push(target, slot, "id".to_owned(), text.to_owned());
        }
        assert_eq!(sending.bytes(), 27 + 5 * 2);
        let limits = BatchLimits { messages_max: 256, bytes_max: 11 };
        for expected in [&["12345678"][..], &["123456", "1"], &["12345678901"], &["1"]] {
            assert_eq!(texts(&sending.next_batch(limits).unwrap()), expected);
            sending.done(target);
        }
        assert_eq!((sending.bytes(), sending.queues.len()), (0, 0));
    }
}
