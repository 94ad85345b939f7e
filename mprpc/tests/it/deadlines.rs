//! Deadlines and cancellation across several hops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mprpc::local::Network;
use mprpc::{Code, Context};
use mprpc_examples::echo_service;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use crate::local::{client, serve, serve_echo, to};
use crate::support::{Doing, Gate, Running, SOON, slow_req, soon};

/// A server within the process whose handler notes the time that it has, takes some of it, and calls
/// `next` with the context that it was given.
async fn hop(
    network: &Network,
    name: &str,
    next: &str,
    seen: &Arc<Mutex<Vec<Duration>>>,
) -> DropGuard {
    let (seen, next) = (Arc::clone(seen), client(to(network, next)));
    let doing = Doing::new(move |cx: Context, request| {
        seen.lock().unwrap().push(cx.remaining());
        let next = next.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            next.echo_slowly(&cx, request).await
        }
    });
    serve(network, name, echo_service::serve(doing)).await
}

/// On paused time, which moves only by what the handlers sleep.
#[tokio::test(start_paused = true)]
async fn the_time_that_remains_shrinks_from_hop_to_hop() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let network = Network::new();
    let _last = serve_echo(&network, "last").await;
    let _c = hop(&network, "c", "last", &seen).await;
    let _b = hop(&network, "b", "c", &seen).await;
    let _a = hop(&network, "a", "b", &seen).await;
    let cx = Context::with_timeout(Duration::from_secs(3600));
    client(to(&network, "a")).echo_slowly(&cx, slow_req("x")).await.unwrap();
    let seen = seen.lock().unwrap();
    let [at_a, at_b, at_c] = seen[..] else { panic!("{seen:?}") };
    assert!(at_a <= Duration::from_secs(3600), "{seen:?}");
    assert!(at_b <= at_a - Duration::from_secs(1), "{seen:?}");
    assert!(at_c <= at_b - Duration::from_secs(1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_at_the_last_hop_ends_the_call_at_the_first() {
    let gate = Gate::default();
    let seen = Arc::default();
    let network = Network::new();
    let _last = serve(&network, "last", echo_service::serve(gate.clone())).await;
    let _b = hop(&network, "b", "last", &seen).await;
    let _a = hop(&network, "a", "b", &seen).await;
    let cx = Context::with_timeout(Duration::from_secs(5));
    let status = client(to(&network, "a")).echo_slowly(&cx, slow_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    gate.dropped.notified().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_at_the_first_hop_stops_the_handler_at_the_last() {
    let gate = Gate::default();
    let last = gate.serve().await;
    let next = last.client();
    let b = Running::start(passing_on(next).builder()).await;
    let a = Running::start(passing_on(b.client()).builder()).await;
    let client = a.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("the last handler is at work");
    call.abort();
    timeout(SOON, gate.dropped.notified()).await.expect("the last handler is dropped");
}

fn passing_on(next: echo_service::Client) -> Doing {
    Doing::new(move |cx: Context, request| {
        let next = next.clone();
        async move { next.echo_slowly(&cx, request).await }
    })
}
