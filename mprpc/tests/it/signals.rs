//! A service that leaves when it gets a signal.

use std::future::pending;
use std::process::{self, Command};
use std::time::Duration;

use mprpc::{Code, Executed, Server, ServerState};
use mprpc_examples::{Echo, echo_service};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::support::{SOON, channel, echo_req, soon};

fn terminate_this_process() {
    let sent = Command::new("kill").args(["-TERM", &process::id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn a_first_sigterm_lets_an_open_stream_go_on_and_a_second_ends_it() {
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_secs(3600))
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let mut signals = signal(SignalKind::terminate()).unwrap();
    let leaving = handle.clone();
    tokio::spawn(async move {
        signals.recv().await;
        leaving.shutdown();
        signals.recv().await;
        leaving.force();
    });
    let serving = tokio::spawn(server.serve(pending()));
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    let (mut requests, mut answers) = client.chat(&soon()).await.unwrap();
    requests.send(echo_req("before")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().payload, "before");

    terminate_this_process();
    let mut state = handle.watch();
    let drains = state.wait_for(|state| *state == ServerState::Draining);
    timeout(SOON, drains).await.expect("it drains").unwrap();
    requests.send(echo_req("while it drains")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().payload, "while it drains");
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));

    terminate_this_process();
    let status = timeout(SOON, answers.next()).await.expect("it is ended").unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    timeout(SOON, serving).await.expect("it ends").unwrap().unwrap();
}
