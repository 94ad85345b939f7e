//! A server with threads of its own.

use std::collections::HashSet;
use std::time::Duration;

use mprpc::{Code, Server};
use mprpc_examples::{Echo, EchoResp, echo_service};
use tokio::time::timeout;

use crate::support::{Doing, Gate, Running, SOON, echo_req, slow_req, soon};

/// The name of the thread that this runs on.
fn here() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_connection_and_all_that_its_handlers_do_stay_on_one_thread_of_several() {
    let doing = Doing::new(|_, _| async {
        let before = here();
        tokio::task::yield_now().await;
        let spawned = tokio::spawn(async { here() }).await.unwrap();
        assert_eq!((&before, &before), (&spawned, &here()));
        Ok(EchoResp { payload: before.into() })
    });
    let server = Running::start(doing.builder().threads(2)).await;
    let mut threads = HashSet::new();
    // All of so many to one thread: less than once in a billion runs.
    for _ in 0..32 {
        // A connection of its own.
        let client = server.client();
        let first = client.echo_slowly(&soon(), slow_req("")).await.unwrap().payload;
        for _ in 0..3 {
            let next = client.echo_slowly(&soon(), slow_req("")).await.unwrap().payload;
            assert_eq!(next, first);
        }
        threads.insert(first);
    }
    let expected = ["mprpc-0", "mprpc-1"].map(Into::into);
    assert_eq!(threads, HashSet::from(expected));
    server.stop().await;
}

#[tokio::test]
async fn a_server_with_threads_finishes_what_is_in_flight_and_frees_its_port() {
    let gate = Gate::default();
    let builder = Server::builder().add_service(echo_service::serve(gate.clone())).threads(2);
    let server = Running::start(builder).await;
    let address = server.address;
    let calls: Vec<_> = [(); 8]
        .map(|()| {
            let client = server.client();
            tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await })
        })
        .into();
    for _ in 0..8 {
        timeout(SOON, gate.started.notified()).await.expect("it is at work");
    }
    server.begin_to_stop();
    gate.open.cancel();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    server.stop().await;
    let builder = Server::builder().add_service(echo_service::serve(Echo)).threads(2);
    let again = Running::start_at(builder, address).await;
    again.client().echo(&soon(), echo_req("x")).await.unwrap();
}

#[tokio::test]
async fn a_server_with_threads_is_forced_like_any() {
    let gate = Gate::default();
    let builder = Server::builder()
        .add_service(echo_service::serve(gate.clone()))
        .threads(2)
        .drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    server.handle.force();
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    server.stop().await;
}

/// Whoever shares a port silently gets half of another's connections.
#[tokio::test]
async fn a_port_that_is_taken_is_not_shared_with_another_server() {
    let first = Server::builder().threads(2).bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    for threads in [0, 2] {
        let second = Server::builder().threads(threads).bind(first.local_addr()).await;
        let error = second.err().expect("the port is taken").to_string();
        assert!(error.contains(&first.local_addr().to_string()), "{error}");
    }
}
