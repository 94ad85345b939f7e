//! Callers that call all the time, each in its way, and of whom none may fail.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mprpc::{Code, Executed, Status};
use mprpc_examples::{ListReq, echo_service};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{SOON, echo_req, soon};

/// How many calls each caller makes before it is said that it goes on.
const CALLS: usize = 10;

/// How often a caller begins a call that does not wait for the ones before it.
const EVERY: Duration = Duration::from_millis(2);

/// How many of its calls may be under way: a server that hangs is not to fill the memory.
const UNDER_WAY_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Load {
    /// How many calls each caller has made.
    made: Vec<Arc<AtomicUsize>>,
    over: CancellationToken,
    callers: JoinSet<Result<(), Status>>,
}

impl Load {
    /// Calls again as soon as a call has ended.
    pub(super) fn closed_loop<F>(mut self, call: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send,
    {
        let (made, over) = self.caller();
        self.callers.spawn(async move {
            while !over.is_cancelled() {
                call().await?;
                made.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        self
    }

    /// Several callers whose calls do not stream.
    pub(super) fn unary(self, callers: usize, client: &echo_service::Client) -> Self {
        (0..callers).fold(self, |load, _| {
            let client = client.clone();
            load.closed_loop(move || {
                let client = client.clone();
                async move { client.echo(&soon(), echo_req("x")).await.map(drop) }
            })
        })
    }

    /// Opens short streams of every kind, one after the other.
    pub(super) fn streams(self, client: &echo_service::Client) -> Self {
        let (chat, list, upload) = (client.clone(), client.clone(), client.clone());
        self.closed_loop(move || short_chat(chat.clone()))
            .closed_loop(move || short_list(list.clone()))
            .closed_loop(move || short_upload(upload.clone()))
    }

    /// Begins calls at a fixed rate, however long the ones before take.
    pub(super) fn open_loop(mut self, client: &echo_service::Client) -> Self {
        let (made, over) = self.caller();
        let client = client.clone();
        self.callers.spawn(async move {
            let mut calls = JoinSet::new();
            let mut due = interval(EVERY);
            due.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while !over.is_cancelled() || !calls.is_empty() {
                tokio::select! {
                    _ = due.tick(), if !over.is_cancelled() => {
                        let client = client.clone();
                        calls.spawn(async move { client.echo(&soon(), echo_req("x")).await });
                        assert!(calls.len() < UNDER_WAY_MAX, "nothing is answered");
                    }
                    Some(ended) = calls.join_next() => {
                        ended.unwrap()?;
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            Ok(())
        });
        self
    }

    /// Keeps a stream open for as long as there is one, and opens another when it was told that its
    /// server has gone. Counts those in `told`.
    pub(super) fn long_stream(
        mut self,
        client: &echo_service::Client,
        told: &Arc<AtomicUsize>,
    ) -> Self {
        let (made, over) = self.caller();
        let (client, told) = (client.clone(), Arc::clone(told));
        self.callers.spawn(async move {
            while !over.is_cancelled() {
                let Err(status) = long_chat(&client, &made, &over).await else { break };
                let said = (status.code(), status.executed());
                if said != (Code::Unavailable, Executed::Maybe) {
                    return Err(status);
                }
                told.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        self
    }

    fn caller(&mut self) -> (Arc<AtomicUsize>, CancellationToken) {
        let made = Arc::new(AtomicUsize::new(0));
        self.made.push(Arc::clone(&made));
        (made, self.over.clone())
    }

    /// Waits until each caller has made some more calls. Fails as soon as one has failed.
    pub(super) async fn goes_on(&mut self) {
        let enough: Vec<_> =
            self.made.iter().map(|made| made.load(Ordering::Relaxed) + CALLS).collect();
        let more = async {
            while self
                .made
                .iter()
                .zip(&enough)
                .any(|(made, enough)| made.load(Ordering::Relaxed) < *enough)
            {
                if let Some(ended) = self.callers.try_join_next() {
                    ended.unwrap().expect("no call fails");
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, more).await.expect("calls go on");
    }

    pub(super) async fn end(mut self) {
        self.over.cancel();
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap().expect("no call fails");
        }
    }
}

async fn short_chat(client: echo_service::Client) -> Result<(), Status> {
    let (mut requests, mut answers) = client.chat(&soon()).await?;
    for payload in ["one", "two"] {
        requests.send(echo_req(payload)).await?;
        assert_eq!(answers.next().await?.unwrap().payload, payload);
    }
    requests.finish();
    assert!(answers.next().await?.is_none());
    Ok(())
}

async fn short_list(client: echo_service::Client) -> Result<(), Status> {
    let mut answers = client.list(&soon(), ListReq { count: 3, size: 10 }).await?;
    for _ in 0..3 {
        assert_eq!(answers.next().await?.unwrap().payload.len(), 10);
    }
    assert!(answers.next().await?.is_none());
    Ok(())
}

async fn short_upload(client: echo_service::Client) -> Result<(), Status> {
    let (mut requests, answer) = client.upload(&soon()).await?;
    for payload in ["one", "two"] {
        requests.send(echo_req(payload)).await?;
    }
    requests.finish();
    assert_eq!(answer.await?.payload, "onetwo");
    Ok(())
}

/// Until the load is over; an error is how the stream was ended.
async fn long_chat(
    client: &echo_service::Client,
    made: &AtomicUsize,
    over: &CancellationToken,
) -> Result<(), Status> {
    let (mut requests, mut answers) = client.chat(&soon()).await?;
    while !over.is_cancelled() {
        requests.send(echo_req("x")).await?;
        assert_eq!(answers.next().await?.unwrap().payload, "x");
        made.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
