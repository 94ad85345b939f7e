//! Calls that go on all the time, each of which must succeed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mprpc_examples::echo_service;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{SOON, echo_req, soon};

/// How many call at a time, and the pause of each after a call.
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// A load on a client. Ends when it is dropped.
pub(crate) struct Load {
    calls: Arc<AtomicUsize>,
    over: CancellationToken,
    callers: JoinSet<Result<(), mprpc::Status>>,
}

impl Load {
    pub(crate) fn on(client: &echo_service::Client) -> Self {
        let (calls, over) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, calls, over) = (client.clone(), Arc::clone(&calls), over.clone());
            callers.spawn(async move {
                while !over.is_cancelled() {
                    client.echo(&soon(), echo_req("x")).await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        Self { calls, over, callers }
    }

    /// Waits until so many more have succeeded. Fails as soon as one has not.
    pub(crate) async fn calls(&mut self, more: usize) {
        let wanted = self.calls.load(Ordering::Relaxed) + more;
        let made = async {
            while self.calls.load(Ordering::Relaxed) < wanted {
                sleep(PAUSE).await;
                self.none_failed();
            }
        };
        timeout(SOON, made).await.expect("calls go on");
    }

    /// Fails if one has.
    pub(crate) fn none_failed(&mut self) {
        while let Some(ended) = self.callers.try_join_next() {
            ended.unwrap().expect("no call fails");
        }
    }

    /// Ends it, and says how many calls there were. None may have failed.
    pub(crate) async fn end(mut self) -> usize {
        self.over.cancel();
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap().expect("no call fails");
        }
        self.calls.load(Ordering::Relaxed)
    }
}
