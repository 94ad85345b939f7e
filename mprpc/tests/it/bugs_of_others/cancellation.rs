//! What a call leaves behind that is given up, for the calls after it.

use std::collections::HashMap;

use bytes::{Buf, BytesMut};
use mprpc::{Channel, Code, Server};
use mprpc_examples::{EchoReq, EchoResp, FailReq, echo_service};
use proptest::prelude::*;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};
use crate::told::Told;

/// redis-rs 325, 489: the reply to a cancelled call went to the next caller on its connection.
#[tokio::test]
async fn a_cancelled_call_does_not_hand_its_reply_to_the_next_caller_of_a_classic_connection() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let channel = Channel::builder(format!("static://{}?wire=classic", server.address))
        .classic_connections_max(1)
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let cancelled = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("mine")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    // On its way before the answer to the other comes: afterwards one would see that bytes are there.
    let next = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("next")).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.open.cancel();
    assert_eq!(next.await.unwrap().unwrap().payload, "next");
    for n in 0..20 {
        let payload = format!("other {n}");
        let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
        assert_eq!(answer.payload, payload);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// redis-rs 325, 489, on a connection that many calls share: some are given up, others take
    /// their places, and then the answers to all of them come, in any order.
    #[test]
    fn no_reply_reaches_another_caller_whatever_is_cancelled(
        given_up in proptest::collection::vec(any::<bool>(), 1..40),
        order in proptest::collection::vec(any::<u32>(), 80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            timeout(SOON, cancel_and_answer(&given_up, &order)).await.expect("all is answered");
        });
    }
}

async fn cancel_and_answer(given_up: &[bool], order: &[u32]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("static://{}", listener.local_addr().unwrap());
    let client = echo_service::Client::new(&channel(&target));
    let call = |payload: String| {
        let client = client.clone();
        tokio::spawn(async move {
            let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
            assert_eq!(answer.payload, payload);
        })
    };
    let first: Vec<_> = (0..given_up.len()).map(|n| call(format!("first {n}"))).collect();
    let (stream, _) = listener.accept().await.unwrap();
    let mut server = Answering::new(stream).await;
    server.read_requests(given_up.len()).await;
    let mut waiting = Vec::new();
    for (call, given_up) in first.into_iter().zip(given_up) {
        if *given_up {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        } else {
            waiting.push(call);
        }
    }
    waiting.extend((0..given_up.len()).map(|n| call(format!("second {n}"))));
    server.read_requests(2 * given_up.len()).await;
    server.answer_all(order).await;
    for call in waiting {
        call.await.unwrap();
    }
}

/// A server that answers when and in which order it is told, also calls that were given up.
struct Answering {
    stream: TcpStream,
    input: BytesMut,
    /// By call id.
    requests: HashMap<u32, EchoReq>,
}

impl Answering {
    async fn new(mut stream: TcpStream) -> Self {
        stream.write_all(b"\0\0\0\0\x01\0\0\0\0\0\0\0").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        Self { stream, input: BytesMut::new(), requests: HashMap::new() }
    }

    /// Reads until there were so many requests.
    async fn read_requests(&mut self, requests: usize) {
        while self.requests.len() < requests {
            assert_ne!(self.stream.read_buf(&mut self.input).await.unwrap(), 0);
            while let Some(header) = self.input.first_chunk::<12>().copied() {
                let length = u32::from_le_bytes(*header.first_chunk().unwrap()) as usize;
                if self.input.len() < 12 + length {
                    break;
                }
                let mut payload = self.input.split_to(12 + length).split_off(12);
                if header[4] == 2 {
                    let head = prost::decode_length_delimiter(&mut payload).unwrap();
                    payload.advance(head);
                    let call = u32::from_le_bytes(*header.last_chunk().unwrap());
                    let request = EchoReq::decode(payload).unwrap();
                    assert!(self.requests.insert(call, request).is_none(), "{call} is in use");
                }
            }
        }
    }

    async fn answer_all(&mut self, order: &[u32]) {
        let mut requests: Vec<_> = self.requests.drain().collect();
        requests.sort_by_key(|(call, _)| *call);
        let mut ordered: Vec<_> = requests.into_iter().zip(order).collect();
        ordered.sort_by_key(|(_, order)| **order);
        let mut output = Vec::new();
        for ((call, request), _) in ordered {
            let message = EchoResp { payload: request.payload }.encode_to_vec();
            let length = u32::try_from(message.len() + 1).unwrap();
            output.extend_from_slice(&length.to_le_bytes());
            output.extend_from_slice(&[3, 1, 0, 0]);
            output.extend_from_slice(&call.to_le_bytes());
            // An empty head: success.
            output.push(0);
            output.extend_from_slice(&message);
        }
        self.stream.write_all(&output).await.unwrap();
    }
}

/// redis-rs 698: an error in a pipeline shifted the replies behind it, and users saw each other's
/// data.
#[tokio::test]
async fn an_error_among_many_calls_shifts_no_others_reply() {
    let server = Running::echo().await;
    let client = server.client();
    let calls: Vec<_> = (0..300)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let text = format!("call {n}");
                if n % 3 == 0 {
                    let request = FailReq { code: 5, message: text.clone() };
                    let status = client.fail(&soon(), request).await.unwrap_err();
                    assert_eq!((status.code(), status.message()), (Code::NotFound, &*text));
                } else if n % 3 == 1 {
                    client.echo_slowly(&soon(), slow_req(&text)).await.unwrap();
                } else {
                    assert_eq!(client.echo(&soon(), echo_req(&text)).await.unwrap().payload, text);
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

/// brpc 122, 1147: a handler went on after its caller had given the call up.
#[tokio::test]
async fn a_handler_does_not_outlive_the_call_that_its_caller_drops() {
    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("x")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("the handler starts");
    call.abort();
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    // Because the call was given up, not because its connection ended.
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(told.look()["mprpc_connections_opened_total{wire=v2}"], 1.0);
}

/// tarpc 341: handlers went on after the connection of their callers had gone.
#[tokio::test]
async fn a_handler_does_not_outlive_the_connection_of_its_caller() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let runtime = std::thread::spawn({
        let (client_address, started) = (server.address, gate.started.clone());
        move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client =
                    echo_service::Client::new(&channel(&format!("static://{client_address}")));
                let cx = soon();
                tokio::select! {
                    _ = client.echo_slowly(&cx, slow_req("x")) => unreachable!("it waits"),
                    () = started.notified() => {}
                }
            });
        }
    });
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    runtime.join().unwrap();
}

/// brpc 122, again: to hang up is all that a classic caller can do.
#[tokio::test]
async fn a_handler_does_not_outlive_the_classic_call_that_its_caller_drops() {
    for threads in [0, 2] {
        let gate = Gate::default();
        let builder = Server::builder().add_service(echo_service::serve(gate.clone()));
        let server = Running::start(builder.threads(threads)).await;
        let client = server.classic_client();
        let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
        timeout(SOON, gate.started.notified()).await.expect("the handler starts");
        call.abort();
        timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    }
}
