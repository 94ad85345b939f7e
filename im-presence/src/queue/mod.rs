//! The port to whatever carries entries to gateways.
//!
//! What is handed over for one gateway reaches it in order, or the gateway learns that something is
//! missing; nothing in between. So a queue may give up at any time: every message is safe in the
//! database, and a gateway that knows of a hole lets its sessions compare heads and fetch.

mod direct;
mod link;

use std::future::Future;
use std::sync::Arc;

use mpim_proto::Push;

pub(crate) use direct::{DirectQueue, PushLimits};

use crate::routes::Gateway;

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

    /// The number of the last push to this boot of a gateway that was confirmed or given up. Told
    /// to the gateway with each renewal, which therefore also says that the gateway is alive.
    fn last_push(&self, boot_id: &str) -> u64;
}
