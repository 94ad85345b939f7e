//! How long the way to the server and back takes, through all queues that calls go through.

use std::time::Duration;

use tokio::time::Instant;

use super::v2_client::Connection;

impl Connection {
    /// Sends a ping and waits for its answer, or for the connection's end. One at a time.
    ///
    /// Cancel safe: the answer is then nobody's.
    pub(crate) async fn round_trip(&self) -> Duration {
        let began = Instant::now();
        let number = self.shared().calls().ping();
        self.shared().wake_driver();
        std::future::poll_fn(|cx| self.shared().calls().poll_pong(number, cx.waker())).await;
        began.elapsed()
    }

    /// How many calls it carries at most.
    pub(crate) fn calls_max(&self) -> usize {
        self.shared().calls().calls_max()
    }
}
