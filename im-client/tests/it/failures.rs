//! Servers that are not there, do not answer, or are none.

use crate::server::{Protocol, Server, next, options, within};
use im_client::{Client, Command, ConnectError, Event, Options, RequestError};
use std::time::Duration;

on_all_protocols! {
    a_server_that_is_not_there_is_an_error_that_says_where,
    a_server_that_stops_answering_is_left_for_a_new_connection,
    a_half_open_connection_is_found_by_asking,
    an_answer_that_nobody_asked_for_ends_the_connection,
    a_server_that_pushes_much_is_told_that_somebody_is_there,
}

const SHORT: Duration = Duration::from_secs(2);

async fn a_server_that_is_not_there_is_an_error_that_says_where(protocol: Protocol) {
    // Nobody else gets the port, and nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = socket.local_addr().expect("an address").to_string();
    let scheme = match protocol {
        Protocol::Text => "text",
        Protocol::Frames => "frames",
        Protocol::WebSocket => "ws",
    };
    let server: im_client::Server = format!("{scheme}://{address}").parse().expect("an address");
    let error = Client::connect(server, options()).await.expect_err("no server");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_server_that_never_greets_is_not_waited_for() {
    for protocol in [Protocol::Text, Protocol::WebSocket] {
        let server = Server::start(protocol).await;
        let impatient = Options { connect_timeout: SHORT, ..options() };
        let connect = Client::connect(server.server(), impatient);
        let error = within("the error", connect).await.expect_err("silence");
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_says_why_and_one_of_another_kind_is_found_out() {
    let server = Server::start(Protocol::Text).await;
    let connect = || Client::connect(server.server(), options());
    let refuse = async { server.accept_silently().await.close("too many connections").await };
    let (error, ()) = tokio::join!(connect(), refuse);
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("too many connections"), "{error}");

    for (protocol, banner, found) in [
        (Protocol::Text, &b"SSH-2.0-x\r\n"[..], "does not speak the protocol"),
        (Protocol::WebSocket, b"SSH-2.0-x\r\n\r\n", "WebSocket"),
        (Protocol::WebSocket, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "WebSocket"),
    ] {
        let server = Server::start(protocol).await;
        let connect = Client::connect(server.server(), options());
        let other = async { server.accept_silently().await.garble(banner).await };
        let (error, ()) = tokio::join!(connect, other);
        let error = error.expect_err("no server of ours").to_string();
        assert!(error.contains(found), "{error}");
    }
}

async fn a_server_that_stops_answering_is_left_for_a_new_connection(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let impatient = Options { request_timeout: SHORT, ..options() };
    let (client, mut events, mut peer) = server.client(impatient).await;
    let unanswered = client.request(Command::Groups).await;
    assert_eq!(unanswered, Err(RequestError::TimedOut(SHORT)));
    let _ = peer.command().await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let _new = server.accept_login().await;
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
}

async fn a_half_open_connection_is_found_by_asking(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let watchful = Options { keepalive: SHORT, request_timeout: SHORT, ..options() };
    let (_client, mut events, mut peer) = server.client(watchful).await;
    if protocol == Protocol::Text {
        assert_eq!(peer.command().await.1, Command::Ping, "nobody asked for anything");
    }
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("the silence was not noticed");
    };
    assert!(reason.contains("did not answer"), "{reason}");
}

async fn an_answer_that_nobody_asked_for_ends_the_connection(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (_client, mut events, mut peer) = server.client(options()).await;
    peer.answer_nothing().await;
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("the answers are out of step");
    };
    assert!(reason.contains("nobody asked for"), "{reason}");
}

async fn a_server_that_pushes_much_is_told_that_somebody_is_there(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let watchful = Options { keepalive: SHORT, ..options() };
    let (_client, mut events, mut peer) = server.client(watchful).await;
    let pushes = async {
        for msg_id in 1.. {
            peer.push(msg_id, "x").await;
            let _ = next(&mut events).await;
            if peer.hears() {
                return;
            }
        }
    };
    within("a heartbeat between pushes", pushes).await;
}
