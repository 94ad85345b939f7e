//! A server with threads of its own.

use std::collections::HashSet;
use std::time::Duration;

use mprpc::{Code, Server};
use mprpc_examples::{Echo, EchoResp, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::classic::SLOW_REQUEST;
use crate::support::{Doing, Gate, Running, SOON, channel, echo_req, slow_req, soon};

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

/// Answers with the name of its thread.
fn whereabouts() -> Doing {
    Doing::new(|_, _| async { Ok(EchoResp { payload: here().into() }) })
}

/// The thread that serves a classic connection.
async fn thread_of(stream: &mut TcpStream) -> String {
    stream.write_all(SLOW_REQUEST).await.unwrap();
    let mut length = [0; 4];
    timeout(SOON, stream.read_exact(&mut length)).await.expect("it answers").unwrap();
    let mut answer = vec![0; u32::from_le_bytes(length) as usize];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("it answers").unwrap();
    // Behind the field's number and length.
    String::from_utf8(answer[2..].to_vec()).unwrap()
}

/// The kernel deals them out by their ports, as if by dice.
#[tokio::test]
async fn connections_are_shared_out_about_evenly_and_stay_where_they_are() {
    const CONNECTIONS: usize = 128;
    let server = Running::start(whereabouts().builder().threads(2)).await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        connections.push((thread_of(&mut stream).await, stream));
    }
    for (thread, stream) in &mut connections {
        assert_eq!(thread_of(stream).await, *thread);
    }
    let first = connections.iter().filter(|(thread, _)| thread == "mprpc-0").count();
    // Less than a quarter on one of them: once in ten million runs.
    assert!((CONNECTIONS / 4..=CONNECTIONS * 3 / 4).contains(&first), "{first}");
    server.stop().await;
}

#[tokio::test]
async fn the_bound_on_connections_is_one_for_all_threads() {
    let server = Running::start(whereabouts().builder().threads(2).connections_max(16)).await;
    let mut connections = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        thread_of(&mut stream).await;
        connections.push(stream);
    }
    for _ in 0..16 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut nothing = Vec::new();
        let read = timeout(SOON, stream.read_to_end(&mut nothing)).await;
        // A reset closes it too.
        assert!(read.expect("it is closed").is_err() || nothing.is_empty());
    }
    assert_eq!(connections.len(), 16);
    server.stop().await;
}

/// There is no dealing out at a Unix socket.
#[tokio::test]
async fn a_unix_socket_beside_threads_is_served_where_the_server_was_begun() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.sock");
    let server = Running::start(whereabouts().builder().threads(2).listen(path.clone())).await;
    let over_unix = channel(&format!("static://unix:{}", path.display()));
    let over_unix = echo_service::Client::new(&over_unix);
    let there = over_unix.echo_slowly(&soon(), slow_req("")).await.unwrap().payload;
    assert_eq!(there, here());
    let there = server.client().echo_slowly(&soon(), slow_req("")).await.unwrap().payload;
    assert!(there.starts_with(b"mprpc-"), "{there:?}");
    server.stop().await;
    assert!(!path.exists());
}
