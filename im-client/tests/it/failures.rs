//! Servers that are not there, do not answer, or are none.

use crate::server::{Server, next, options, within};
use im_client::{Client, ConnectError, Event, Options, RequestError, TextLines};
use im_wire::text::Command;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_says_where() {
    // Nobody else gets the port, and nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = socket.local_addr().expect("an address").to_string();
    let error = Client::connect(TextLines::new(&address), options()).await.expect_err("no server");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_server_that_never_greets_is_not_waited_for() {
    let server = Server::start().await;
    let impatient = Options { connect_timeout: SHORT, ..options() };
    let connect = Client::connect(TextLines::new(server.address()), impatient);
    let error = within("the error", connect).await.expect_err("silence");
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_says_why_and_one_of_another_kind_is_found_out() {
    let server = Server::start().await;
    let connect = || Client::connect(TextLines::new(server.address()), options());
    let refuse = async { server.accept_silently().await.close("too many connections").await };
    let (error, ()) = tokio::join!(connect(), refuse);
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("too many connections"), "{error}");

    let other = async { server.accept_silently().await.garble(b"SSH-2.0-x\r\n").await };
    let (error, ()) = tokio::join!(connect(), other);
    let error = error.expect_err("no server of ours").to_string();
    assert!(error.contains("does not speak the protocol"), "{error}");
}

#[tokio::test]
async fn a_server_that_stops_answering_is_left_for_a_new_connection() {
    let server = Server::start().await;
    let impatient = Options { request_timeout: SHORT, ..options() };
    let (client, mut events, mut peer) = server.client(impatient).await;
    let unanswered = client.request(Command::Groups).await;
    assert_eq!(unanswered, Err(RequestError::TimedOut(SHORT)));
    let _ = peer.command().await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let _new = server.accept_login().await;
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
}

#[tokio::test]
async fn a_half_open_connection_is_found_by_asking() {
    let server = Server::start().await;
    let watchful = Options { keepalive: SHORT, request_timeout: SHORT, ..options() };
    let (_client, mut events, mut peer) = server.client(watchful).await;
    assert_eq!(peer.command().await.1, Command::Ping, "nobody asked for anything");
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("the silence was not noticed");
    };
    assert!(reason.contains("did not answer"), "{reason}");
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let server = Server::start().await;
    let (_client, mut events, mut peer) = server.client(options()).await;
    peer.garble(b"+OK msg_id=1\n").await;
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("the answers are out of step");
    };
    assert!(reason.contains("nobody asked for"), "{reason}");
}
