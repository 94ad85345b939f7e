//! Work that outlives the call that began it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use mprpc::{Code, Context, Detached};
use mprpc_examples::EchoResp;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Doing, Running, SOON, slow_req, soon};

/// A server whose handler detaches work that waits for `go` and then tells `done`.
struct Fixture {
    server: Running,
    detached: mpsc::Receiver<Detached<()>>,
    go: CancellationToken,
    done: Arc<Notify>,
}

impl Fixture {
    /// The handler itself ends at once, or never.
    async fn new(max: usize, handler_ends: bool, drain: Duration) -> Self {
        let (go, done) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (send, detached) = mpsc::channel(16);
        let (gate, tell) = (go.clone(), Arc::clone(&done));
        let doing = Doing::new(move |cx, request| {
            let (go, done, send) = (gate.clone(), Arc::clone(&tell), send.clone());
            async move {
                let work = cx.detach(SOON, |_| async move {
                    go.cancelled().await;
                    done.notify_one();
                })?;
                send.try_send(work).unwrap();
                if !handler_ends {
                    pending::<()>().await;
                }
                Ok(EchoResp { payload: request.payload })
            }
        });
        let builder = doing.builder().detached_max(max).drain_timeout(drain);
        Self { server: Running::start(builder).await, detached, go, done }
    }

    async fn next(&mut self) -> Detached<()> {
        timeout(SOON, self.detached.recv()).await.expect("the handler detaches it").unwrap()
    }
}

#[tokio::test]
async fn detached_work_goes_on_when_its_caller_gives_up() {
    let mut fixture = Fixture::new(10, false, SOON).await;
    let client = fixture.server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    let work = fixture.next().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    fixture.go.cancel();
    timeout(SOON, fixture.done.notified()).await.expect("the work goes on");
    work.await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_waits_for_detached_work() {
    let mut fixture = Fixture::new(10, true, SOON).await;
    fixture.server.client().echo_slowly(&soon(), slow_req("x")).await.unwrap();
    let work = fixture.next().await;
    let stopping = tokio::spawn(fixture.server.stop());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    fixture.go.cancel();
    stopping.await.unwrap();
    work.await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_longer_than_its_drain_time_for_detached_work() {
    let mut fixture = Fixture::new(10, true, Duration::from_millis(20)).await;
    fixture.server.client().echo_slowly(&soon(), slow_req("x")).await.unwrap();
    let work = fixture.next().await;
    fixture.server.stop().await;
    assert_eq!(work.await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn what_is_detached_past_the_bound_is_refused_until_some_has_ended() {
    let mut fixture = Fixture::new(2, true, SOON).await;
    let client = fixture.server.client();
    for _ in 0..2 {
        client.echo_slowly(&soon(), slow_req("x")).await.unwrap();
    }
    let status = client.echo_slowly(&soon(), slow_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "2 pieces of work are detached already");
    fixture.go.cancel();
    for _ in 0..2 {
        fixture.next().await.await.unwrap();
    }
    client.echo_slowly(&soon(), slow_req("x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn detached_work_has_a_deadline_of_its_own() {
    let cx = Context::with_timeout(Duration::from_millis(10));
    let hour = Duration::from_secs(3600);
    let longer = cx.detach(hour, |cx| async move {
        tokio::time::sleep(Duration::from_secs(3599)).await;
        cx.remaining()
    });
    assert_eq!(longer.unwrap().await.unwrap(), Duration::from_secs(1));
    let endless = cx.detach(hour, |_| pending::<()>()).unwrap();
    assert_eq!(endless.await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn detached_work_that_panics_says_so() {
    let work = soon().detach(SOON, |_| async { panic!("on purpose") }).unwrap();
    assert_eq!(work.await.unwrap_err().code(), Code::Internal);
}
