//! How long the way to the server and back takes, through all queues that calls go through.

use std::time::Duration;

use tokio::time::Instant;

use super::v2_client::Connection;
use crate::wire::v2::client::Calls;

impl Connection {
    /// Sends a ping and waits for its answer, or for the connection's end. One at a time.
    ///
    /// Cancel safe: the answer is then nobody's.
    pub(crate) async fn round_trip(&self) -> Duration {
        let began = Instant::now();
        let number = self.shared().with(Calls::ping);
        let answered = |waker: &_| self.shared().with(|calls| calls.poll_pong(number, waker));
        std::future::poll_fn(|cx| answered(cx.waker())).await;
        began.elapsed()
    }

    /// How many calls it carries at most.
    pub(crate) fn calls_max(&self) -> usize {
        self.shared().with(|calls| calls.calls_max())
    }
}
