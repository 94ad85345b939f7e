//! The port to whatever carries entries to gateways.
//!
//! What is handed over for one gateway reaches it in order, or the gateway learns that something is
//! missing; nothing in between. So a queue may give up at any time: every message is safe in the
//! database, and a gateway that knows of a hole lets its sessions compare heads and fetch.

mod carrier;
#[cfg(test)]
mod conformance;
mod direct;
mod link;
mod linked;
mod metrics;
mod streams;
#[cfg(test)]
pub(super) mod testing;

use std::future::Future;
use std::sync::Arc;

use mpim_proto::Push;

pub(crate) use direct::Direct;
pub(crate) use linked::{Around, LinkedQueue, PushLimits};
pub(crate) use streams::{StreamLimits, StreamQueue};

use crate::routing::Gateway;

/// Why a push was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    /// The gateway did not take it in time, or what waits for the gateway reached its bound.
    #[error("the gateway does not take pushes in time")]
    Behind,
    /// Nothing can be pushed there: a gateway of the original system, or one that is gone.
    #[error("the gateway cannot be reached")]
    Unreachable,
}

/// What im-presence needs from a queue.
pub(crate) trait Queue: Send + Sync + 'static {
    /// Hands `pushes` over as one entry for `gateway`, without waiting for the gateway, so that a
    /// slow one holds up nobody. With `resync` the gateway is told to compare heads as well.
    fn offer(
        &self,
        gateway: &Arc<Gateway>,
        pushes: Vec<Push>,
        resync: bool,
    ) -> impl Future<Output = ()> + Send;

    /// Hands one push over and waits until the gateway has confirmed it. Answers with the number
    /// of sessions that it reached.
    ///
    /// # Errors
    /// If it was not confirmed; it may nevertheless have been shown.
    fn deliver(
        &self,
        gateway: &Arc<Gateway>,
        push: Push,
    ) -> impl Future<Output = Result<u32, QueueError>> + Send;

    /// A gateway is alive. From now on it also hears of this instance, so that it would notice its
    /// end. Answers with the number of the last push to it that was confirmed or given up, or 0 where
    /// that is not known.
    fn heard_of(&self, gateway: &Arc<Gateway>) -> u64;

    /// Pushes what still waits, for a bounded time, and tells the gateways that this is the end.
    fn close(&self);
}
