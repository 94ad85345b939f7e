//! The bound on the calls that a server has at work on all its connections together.

use std::time::Duration;

use mprpc::health::{self, ServingStatus};
use mprpc::{Balance, Channel, Code, Executed, Server, ServerBuilder, Stage};
use mprpc_examples::{Echo, FailReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::classic::{BAD_ARGUMENTS, REQUEST, RESPONSE, big_request};
use crate::said::Said;
use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};
use crate::told::Told;

fn at_most(calls: usize, gate: &Gate) -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(gate.clone())).calls_max(calls)
}

/// Calls on `server`, each on a connection of its own, that are at work.
async fn fill(server: &Running, gate: &Gate, calls: usize) {
    for _ in 0..calls {
        let client = server.client();
        tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await.unwrap() });
        timeout(SOON, gate.started.notified()).await.expect("it is at work");
    }
}

#[tokio::test]
async fn a_call_past_the_bound_of_all_connections_is_refused_unexecuted_until_one_has_ended() {
    for threads in [0, 2] {
        let gate = Gate::default();
        let server = Running::start(at_most(3, &gate).threads(threads)).await;
        fill(&server, &gate, 3).await;
        let client = server.client();
        for _ in 0..10 {
            let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
            assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
            assert_eq!(status.stage(), Stage::Remote);
            assert_eq!(status.message(), "the server has 3 calls at work already");
        }
        // Who asks how it does is told.
        let health = health::Client::new(&channel(&format!("static://{}", server.address)));
        assert_eq!(health.check(&soon(), "").await.unwrap(), ServingStatus::Serving);
        gate.open.cancel();
        for _ in 0..3 {
            timeout(SOON, gate.dropped.notified()).await.expect("it ends");
        }
        let taken = async { while client.echo(&soon(), echo_req("x")).await.is_err() {} };
        timeout(SOON, taken).await.expect("there is room again");
        server.stop().await;
    }
}

#[tokio::test]
async fn calls_that_are_answered_at_once_are_not_held_against_each_other() {
    let server = Running::start(at_most(1, &Gate::default())).await;
    let clients = [server.client(), server.client()];
    let calls = (0..200).map(|call| {
        let client = &clients[call % 2];
        async move { client.echo(&soon(), echo_req("x")).await }
    });
    for outcome in futures_util::future::join_all(calls).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn what_is_refused_by_a_server_that_is_full_goes_to_another() {
    let gate = Gate::default();
    let full = Running::start(at_most(1, &gate)).await;
    let other = Running::echo().await;
    fill(&full, &gate, 1).await;
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let target = format!("static://{},{}", full.address, other.address);
    let channel = Channel::builder(target).balance(Balance::round_robin()).build().unwrap();
    let client = echo_service::Client::new(&channel);
    for _ in 0..20 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    assert!(said.how_often("too many calls at work; refusing more") > 0);
    assert!(told.look()["mprpc_calls_refused_total{}"] >= 1.0, "{:?}", told.seen);
}

#[tokio::test]
async fn a_call_for_which_a_connection_has_no_room_goes_to_another_instance_if_there_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let full = listener.local_addr().unwrap();
    // It takes one call on a connection, and answers none.
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let settings = b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x10\x01";
                stream.write_all(settings).await.unwrap();
                stream.read_to_end(&mut Vec::new()).await
            });
        }
    });
    let other = Running::echo().await;
    let begin = |target: String, calls| {
        let builder = Channel::builder(target).balance(Balance::round_robin());
        let builder = builder.connections_max(1).keepalive(Duration::from_secs(3600));
        let client = echo_service::Client::new(&builder.build().unwrap());
        let call = move |_| {
            let client = client.clone();
            async move { client.echo(&soon(), echo_req("x")).await }
        };
        (0..calls).map(call).collect::<JoinSet<_>>()
    };
    let mut calls = begin(format!("static://{full},{}", other.address), 20);
    for _ in 0..19 {
        let ended = timeout(SOON, calls.join_next()).await.expect("it has gone to the other one");
        ended.unwrap().unwrap().unwrap();
    }
    let mut calls = begin(format!("static://{full}"), 2);
    let ended = timeout(SOON, calls.join_next()).await.expect("it is refused");
    let status = ended.unwrap().unwrap().unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
}

#[tokio::test]
async fn a_stream_counts_while_it_is_open() {
    let server = Running::start(at_most(1, &Gate::default())).await;
    let client = server.client();
    let cx = soon();
    let (mut requests, mut answers) = client.chat(&cx).await.unwrap();
    requests.send(echo_req("x")).await.unwrap();
    answers.next().await.unwrap().unwrap();
    let (_requests, mut refused) = client.chat(&cx).await.unwrap();
    let status = refused.next().await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
    requests.finish();
    assert!(answers.next().await.unwrap().is_none());
    client.echo(&soon(), echo_req("x")).await.unwrap();
}

/// The wire cannot say that a call was not executed.
#[tokio::test]
async fn a_classic_call_past_the_bound_waits_for_its_turn_and_holds_up_no_answer_before_it() {
    let gate = Gate::default();
    let server = Running::start(at_most(1, &gate)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = [0; RESPONSE.len()];
    stream.write_all(REQUEST).await.unwrap();
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("there is room").unwrap();
    fill(&server, &gate, 1).await;
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    stream.write_all(REQUEST).await.unwrap();
    let waits = async {
        while said.how_often("one on the classic wire waits") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, waits).await.expect("it waits");
    assert_eq!(told.look()["mprpc_calls_held_up_total{}"], 1.0);
    gate.open.cancel();
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("it has its turn").unwrap();
    assert_eq!(answer, RESPONSE);
}

#[tokio::test]
async fn a_classic_call_does_not_wait_longer_than_its_time() {
    let gate = Gate::default();
    let builder = at_most(1, &gate).default_timeout(Duration::from_millis(50));
    let server = Running::start(builder).await;
    fill(&server, &gate, 1).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
    assert!(answer.is_empty(), "{answer:?}");
}

/// Nothing is at work on a connection that only says goodbye.
#[tokio::test]
async fn a_classic_connection_that_was_refused_takes_no_place_while_its_client_stays() {
    let server = Running::start(at_most(1, &Gate::default())).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(BAD_ARGUMENTS).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is refused").unwrap();
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
}

/// Nor on one that only writes what its client does not take.
#[tokio::test]
async fn a_classic_client_that_hardly_reads_its_answer_takes_no_place() {
    let server = Running::start(at_most(1, &Gate::default())).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(&big_request()).await.unwrap();
    timeout(SOON, stream.read_exact(&mut [0])).await.expect("it is answered").unwrap();
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
}

/// What a handler was told of a call that it made says nothing of its own.
#[tokio::test]
async fn a_handler_that_passes_on_that_its_own_call_was_not_executed_was_executed() {
    let next = echo_service::Client::new(&channel("static://127.0.0.1:1"));
    let doing = crate::support::Doing::new(move |cx, _| {
        let next = next.clone();
        async move {
            let status = next.echo(&cx, echo_req("x")).await.unwrap_err();
            assert_eq!(status.executed(), Executed::No);
            Err(status)
        }
    });
    let server = Running::start(doing.builder()).await;
    let status = server.client().echo_slowly(&soon(), slow_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
}

/// Neither an unknown method nor one that is called as another kind begins a handler.
#[tokio::test]
async fn what_no_handler_was_begun_for_was_not_executed() {
    let server = Running::start(Server::builder().add_service(echo_service::serve(Echo))).await;
    let without = Running::start(Server::builder()).await;
    let status = without.client().echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
    let fail = FailReq { code: 5, message: String::new() };
    let status = server.client().fail(&soon(), fail).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::NotFound, Executed::Maybe));
}
