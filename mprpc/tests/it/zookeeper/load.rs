//! Calls and streams that go on all the time, each of which must succeed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mprpc::{Context, Status};
use mprpc_examples::echo_service;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{SOON, echo_req, soon};

/// How many call at a time, and the pause of each after a call.
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
/// The time from the begin of one call to that of the next where calls do not wait for each other.
const EVERY: Duration = Duration::from_millis(20);
/// Messages of a stream that does not stay.
const MESSAGES: usize = 3;
/// Far longer than any outage.
const FOR_LONG: Duration = Duration::from_secs(7200);

/// A load on a client. Ends when it is dropped.
pub(crate) struct Load {
    done: Done,
    over: CancellationToken,
    callers: JoinSet<Result<(), Status>>,
}

/// How many calls have succeeded.
#[derive(Clone, Default)]
struct Done(Arc<AtomicUsize>);

impl Done {
    fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Load {
    fn new<F>(callers: usize, caller: impl Fn(Done, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let mut load =
            Self { done: Done::default(), over: CancellationToken::new(), callers: JoinSet::new() };
        for _ in 0..callers {
            load.callers.spawn(caller(load.done.clone(), load.over.clone()));
        }
        load
    }

    /// Callers who each wait for an answer before they call again.
    pub(crate) fn on(client: &echo_service::Client) -> Self {
        Self::new(CALLERS, |done, over| {
            let client = client.clone();
            async move {
                while !over.is_cancelled() {
                    client.echo(&soon(), echo_req("x")).await?;
                    done.one();
                    sleep(PAUSE).await;
                }
                Ok(())
            }
        })
    }

    /// A caller who calls at a fixed rate, whatever becomes of the calls before.
    pub(crate) fn at_a_rate(client: &echo_service::Client) -> Self {
        Self::new(1, |done, over| {
            let client = client.clone();
            async move {
                let (mut calls, mut ticks) = (JoinSet::new(), interval(EVERY));
                while !over.is_cancelled() {
                    ticks.tick().await;
                    let (client, done) = (client.clone(), done.clone());
                    calls.spawn(async move {
                        client.echo(&soon(), echo_req("x")).await?;
                        done.one();
                        Ok(())
                    });
                    while let Some(ended) = calls.try_join_next() {
                        outcome(ended)?;
                    }
                }
                while let Some(ended) = calls.join_next().await {
                    outcome(ended)?;
                }
                Ok(())
            }
        })
    }

    /// Callers who open one stream after the other, and talk a little in each.
    pub(crate) fn in_new_streams(client: &echo_service::Client) -> Self {
        Self::new(CALLERS / 2, |done, over| {
            let client = client.clone();
            async move {
                while !over.is_cancelled() {
                    let (mut requests, mut responses) = client.chat(&soon()).await?;
                    for _ in 0..MESSAGES {
                        requests.send(echo_req("x")).await?;
                        assert_eq!(responses.next().await?.expect("an answer").payload, "x");
                    }
                    requests.finish();
                    assert_eq!(responses.next().await?, None);
                    done.one();
                    sleep(PAUSE).await;
                }
                Ok(())
            }
        })
    }

    /// One stream that stays open; what counts is each message that came back.
    pub(crate) fn in_one_stream(client: &echo_service::Client) -> Self {
        Self::new(1, |done, over| {
            let client = client.clone();
            async move {
                let cx = Context::with_timeout(FOR_LONG);
                let (mut requests, mut responses) = client.chat(&cx).await?;
                while !over.is_cancelled() {
                    requests.send(echo_req("x")).await?;
                    assert_eq!(responses.next().await?.expect("an answer").payload, "x");
                    done.one();
                    sleep(PAUSE).await;
                }
                requests.finish();
                assert_eq!(responses.next().await?, None);
                Ok(())
            }
        })
    }

    /// All that can be asked of instances that are restarted meanwhile.
    pub(crate) fn of_all_kinds(client: &echo_service::Client) -> [Self; 3] {
        [Self::on(client), Self::at_a_rate(client), Self::in_new_streams(client)]
    }

    /// Waits until so many more have succeeded. Fails as soon as one has not.
    pub(crate) async fn calls(&mut self, more: usize) {
        let wanted = self.done.0.load(Ordering::Relaxed) + more;
        let made = async {
            while self.done.0.load(Ordering::Relaxed) < wanted {
                sleep(PAUSE).await;
                self.none_failed();
            }
        };
        timeout(SOON, made).await.expect("calls go on");
    }

    /// Fails if one has.
    pub(crate) fn none_failed(&mut self) {
        while let Some(ended) = self.callers.try_join_next() {
            outcome(ended).expect("no call fails");
        }
    }

    /// Ends it, and says how many calls there were. None may have failed.
    pub(crate) async fn end(mut self) -> usize {
        self.over.cancel();
        while let Some(ended) = self.callers.join_next().await {
            outcome(ended).expect("no call fails");
        }
        self.done.0.load(Ordering::Relaxed)
    }
}

fn outcome(ended: Result<Result<(), Status>, JoinError>) -> Result<(), Status> {
    ended.expect("no caller panics")
}
