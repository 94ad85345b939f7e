//! What was shown to a client and has perhaps not arrived: the window of unacknowledged pushes.
//!
//! Most clients acknowledge nothing, so at first a push counts as delivered once the peer's kernel has
//! acknowledged its last byte. The first `ACK`, or a log-in that says so, switches the connection: from
//! then on only what the client names, and what came before it in the same conversation, is delivered.
//!
//! Pure: the caller says how many bytes the peer has.

use std::collections::VecDeque;

use crate::delivery::ConvId;

/// One step of a conversation's position that is not known to have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) conv_id: ConvId,
    pub(crate) seq: i64,
    pub(crate) msg_id: i64,
}

#[derive(Debug)]
struct Pending {
    step: Step,
    /// Where in the connection's output it ends.
    end: u64,
    /// Passed over without being written, such as the session's own messages.
    silent: bool,
}

/// See the module. Bounded by the caller, who asks [`has_room`](Self::has_room) before each push.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pending: VecDeque<Pending>,
    explicit: bool,
}

/// How much may be on its way to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: u64,
}

impl Window {
    /// The client acknowledges for itself, from the first message on.
    pub(crate) fn acknowledges(&mut self) {
        self.explicit = true;
    }

    /// A message was written that ends at `end` in the output.
    pub(crate) fn shown(&mut self, step: Step, end: u64) {
        self.pending.push_back(Pending { step, end, silent: false });
    }

    /// The position moved without a line; `end` is where the output ends now. It arrives with what
    /// was written before it.
    pub(crate) fn passed_over(&mut self, step: Step, end: u64) {
        self.pending.push_back(Pending { step, end, silent: true });
    }

    /// Whether another push may be written, when the output goes to `output_end` and the peer has
    /// `peer_has` of it.
    pub(crate) fn has_room(&self, limits: WindowLimits, output_end: u64, peer_has: u64) -> bool {
        self.pending.len() < limits.messages_max
            && output_end.saturating_sub(peer_has) < limits.bytes_max
    }

    /// Whether nothing waits to arrive.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether anything of this conversation waits to arrive.
    pub(crate) fn holds(&self, conv_id: &ConvId) -> bool {
        self.pending.iter().any(|pending| pending.step.conv_id == *conv_id)
    }

    /// Whether anything waits for the peer's kernel, and not for an `ACK`.
    pub(crate) fn waits_for_kernel(&self) -> bool {
        !self.explicit && !self.pending.is_empty()
    }

    /// The peer's kernel has the first `peer_has` bytes of the output. Answers with what thereby
    /// counts as delivered, in order; nothing once the client acknowledges for itself.
    pub(crate) fn kernel_has(&mut self, peer_has: u64) -> Vec<Step> {
        if self.explicit {
            return self.settle_silent();
        }
        let arrived = self.pending.iter().take_while(|pending| pending.end <= peer_has).count();
        self.pending.drain(..arrived).map(|pending| pending.step).collect()
    }

    /// The client says that it has `msg_id`, and so everything before it in its conversation. An id
    /// that is not in the window was acknowledged before. Answers with what is delivered.
    pub(crate) fn acknowledged(&mut self, msg_id: i64) -> Vec<Step> {
        self.explicit = true;
        let named = |pending: &&Pending| pending.step.msg_id == msg_id && !pending.silent;
        if let Some(step) = self.pending.iter().find(named).map(|pending| pending.step.clone()) {
            self.pending.retain(|pending| {
                pending.step.conv_id != step.conv_id || pending.step.seq > step.seq
            });
            let mut delivered = vec![step];
            delivered.append(&mut self.settle_silent());
            delivered
        } else {
            self.settle_silent()
        }
    }

    /// What was passed over needs no `ACK` of its own: it is delivered once nothing that was shown
    /// before it in its conversation waits for one.
    fn settle_silent(&mut self) -> Vec<Step> {
        let mut waiting: Vec<ConvId> = Vec::new();
        let mut delivered = Vec::new();
        self.pending.retain(|pending| {
            if !pending.silent {
                if !waiting.contains(&pending.step.conv_id) {
                    waiting.push(pending.step.conv_id.clone());
                }
                return true;
            }
            let waits = waiting.contains(&pending.step.conv_id);
            if !waits {
                delivered.push(pending.step.clone());
            }
            waits
        });
        delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(conv_id: &str, seq: i64, msg_id: i64) -> Step {
        Step { conv_id: conv_id.into(), seq, msg_id }
    }

    #[test]
    fn a_push_is_delivered_when_the_peer_has_its_last_byte() {
        let mut window = Window::default();
        window.shown(step("a", 1, 10), 50);
        window.shown(step("a", 2, 11), 100);
        window.passed_over(step("b", 7, 12), 100);
        assert_eq!(window.kernel_has(49), []);
        assert_eq!(window.kernel_has(99), [step("a", 1, 10)]);
        assert_eq!(window.kernel_has(100), [step("a", 2, 11), step("b", 7, 12)]);
        assert!(window.is_empty());
    }

    #[test]
    fn an_explicit_acknowledgement_is_cumulative_in_its_conversation_alone() {
        let mut window = Window::default();
        for (seq, msg_id) in [(1, 10), (2, 12), (3, 14)] {
            window.shown(step("a", seq, msg_id), 10 * msg_id as u64);
            window.shown(step("b", seq, msg_id + 1), 10 * msg_id as u64);
        }
        assert_eq!(window.acknowledged(12), [step("a", 2, 12)]);
        assert_eq!(window.kernel_has(u64::MAX), [], "the kernel has no say any more");
        assert_eq!(window.acknowledged(10), [], "an older one again");
        assert_eq!(window.acknowledged(15), [step("b", 3, 15)]);
        assert_eq!(window.acknowledged(14), [step("a", 3, 14)]);
        assert!(window.is_empty());
    }

    #[test]
    fn what_was_passed_over_is_delivered_with_what_was_shown_before_it() {
        let mut window = Window::default();
        window.acknowledged(1);
        window.passed_over(step("a", 1, 9), 0);
        assert_eq!(window.kernel_has(0), [step("a", 1, 9)]);
        window.shown(step("a", 2, 10), 50);
        window.passed_over(step("a", 3, 11), 50);
        window.passed_over(step("b", 1, 12), 50);
        assert_eq!(window.kernel_has(50), [step("b", 1, 12)]);
        assert_eq!(window.acknowledged(10), [step("a", 2, 10), step("a", 3, 11)]);
        assert!(window.is_empty());
    }

    #[test]
    fn the_window_is_bounded_in_messages_and_in_bytes() {
        let limits = WindowLimits { messages_max: 2, bytes_max: 100 };
        let mut window = Window::default();
        assert!(window.has_room(limits, 99, 0));
        assert!(!window.has_room(limits, 100, 0));
        assert!(window.has_room(limits, 100, 1));
        window.shown(step("a", 1, 1), 1);
        window.shown(step("a", 2, 2), 2);
        assert!(!window.has_room(limits, 2, 2));
    }
}
