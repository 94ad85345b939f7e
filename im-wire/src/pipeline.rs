//! The order of a connection's answers.

use super::{Command, Reply};
use std::collections::VecDeque;

/// The place of a command's reply. It is used up by the reply; one that is dropped leaves its command,
/// and all behind it, unanswered.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the client waits for the reply of this command, and of all behind it"]
pub struct Slot(u64);

/// The commands of a connection that are not answered. Their answers leave in their order, whatever the
/// order in which they were found.
///
/// A command that is not concurrent ([`Command::is_concurrent`]) is a barrier: it is held back until all
/// before it are answered, and those behind it until it is.
///
/// `T` is what a protocol has to know of a command when it writes its answer.
#[derive(Debug)]
pub(crate) struct Pipeline<T> {
    in_flight_max: usize,
    /// A barrier that waits for the commands before it.
    held: Option<Box<(T, Command)>>,
    /// A barrier is handed out and not answered.
    barrier: bool,
    /// The commands that are not answered on the wire, oldest first.
    in_flight: VecDeque<InFlight<T>>,
    /// The slot number of the first of them.
    first_slot: u64,
}

#[derive(Debug)]
struct InFlight<T> {
    tag: T,
    /// There before its turn if one before it has none.
    reply: Option<Reply>,
}

impl<T> Pipeline<T> {
    /// For at most `in_flight_max` commands.
    pub(crate) fn new(in_flight_max: usize) -> Self {
        Self {
            in_flight_max,
            held: None,
            barrier: false,
            in_flight: VecDeque::new(),
            first_slot: 0,
        }
    }

    /// Whether no further command may be looked at.
    pub(crate) fn is_blocked(&self) -> bool {
        self.barrier || self.held.is_some() || self.in_flight.len() >= self.in_flight_max
    }

    /// Whether a barrier waits for the commands before it.
    pub(crate) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a command, which is handed out if it may be now. Not while it is blocked.
    pub(crate) fn admit(&mut self, tag: T, command: Command) -> Option<(Slot, Command)> {
        if command.is_concurrent() {
            return Some((self.open_slot(tag), command));
        }
        self.held = Some(Box::new((tag, command)));
        self.released()
    }

    /// The barrier that was held back, once it is alone.
    pub(crate) fn released(&mut self) -> Option<(Slot, Command)> {
        if !self.in_flight.is_empty() {
            return None;
        }
        let (tag, command) = *self.held.take()?;
        self.barrier = true;
        Some((self.open_slot(tag), command))
    }

    /// Takes what is no command, with its answer.
    pub(crate) fn refuse(&mut self, tag: T, reply: Reply) {
        let slot = self.open_slot(tag);
        self.answer(slot, reply);
    }

    /// Answers a command. What may leave now, [`next`](Self::next) says.
    pub(crate) fn answer(&mut self, slot: Slot, reply: Reply) {
        let place = usize::try_from(slot.0.wrapping_sub(self.first_slot)).ok();
        match place.and_then(|place| self.in_flight.get_mut(place)) {
            Some(in_flight) => in_flight.reply = Some(reply),
            None => debug_assert!(false, "a slot of another connection"),
        }
    }

    /// The next answer that may leave.
    pub(crate) fn next(&mut self) -> Option<(T, Reply)> {
        self.in_flight.front()?.reply.as_ref()?;
        let InFlight { tag, reply } = self.in_flight.pop_front()?;
        self.first_slot += 1;
        if self.in_flight.is_empty() {
            // A barrier is alone, so it was this one.
            self.barrier = false;
            self.in_flight.shrink_to(IN_FLIGHT_KEPT);
        }
        Some((tag, reply?))
    }

    /// Forgets everything that is not answered.
    pub(crate) fn clear(&mut self) {
        self.held = None;
        self.in_flight = VecDeque::new();
    }

    /// Commands that were begun and are not answered. One that is held back is not among them.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of memory held, for tests and metrics.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.in_flight.capacity() * size_of::<InFlight<T>>()
    }

    fn open_slot(&mut self, tag: T) -> Slot {
        let slot = Slot(self.first_slot + self.in_flight.len() as u64);
        self.in_flight.push_back(InFlight { tag, reply: None });
        slot
    }
}

/// Room for this many commands stays allocated; more is given back when all are answered. Whoever waits
/// for each answer needs no more.
const IN_FLIGHT_KEPT: usize = 1;
