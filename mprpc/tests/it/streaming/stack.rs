//! What a stream passes beside the wire: interceptors, and the bounds that builders set.

use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use mprpc::{Channel, Code, Context, Intercepted, Interceptor, Outcome, Server, Status};
use mprpc_examples::{Echo, EchoReq, ListReq, echo_service};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::scripted::Scripted;
use crate::support::{Running, SOON, echo_req, soon};

/// Tells how calls end.
struct Ends(mpsc::UnboundedSender<Result<(), Code>>);

impl Interceptor for Ends {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let outcome = call.proceed(cx).await;
            let _ = self.0.send(outcome.as_ref().copied().map_err(Status::code));
            outcome
        })
    }
}

/// Lets nobody pass.
struct Closed;

impl Interceptor for Closed {
    fn intercept<'a>(&'a self, _: Context, _: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async { Err(Status::unauthenticated("not you")) })
    }
}

#[tokio::test]
async fn interceptors_at_both_ends_hold_a_stream_until_its_end() {
    let (tell_server, mut server_ends) = mpsc::unbounded_channel();
    let (tell_client, mut client_ends) = mpsc::unbounded_channel();
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(builder.interceptor(Ends(tell_server))).await;
    let channel = Channel::builder(format!("static://{}", server.address));
    let channel = channel.interceptor(Ends(tell_client)).build().unwrap();
    let client = echo_service::Client::new(&channel);

    let (mut requests, mut responses) = client.chat(&soon()).await.unwrap();
    requests.send(echo_req("x")).await.unwrap();
    assert_eq!(responses.next().await.unwrap().unwrap().payload, "x");
    assert!(server_ends.try_recv().is_err() && client_ends.try_recv().is_err());
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
    for ends in [&mut server_ends, &mut client_ends] {
        let end = timeout(SOON, ends.recv()).await.expect("they are told").unwrap();
        assert_eq!(end, Ok(()));
    }
}

#[tokio::test]
async fn a_stream_that_an_interceptor_rejects_is_not_opened() {
    let server = Running::echo().await;
    let channel = Channel::builder(format!("static://{}", server.address));
    let client = echo_service::Client::new(&channel.interceptor(Closed).build().unwrap());
    let status = client.upload(&soon()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "not you"));

    let builder = Server::builder().add_service(echo_service::serve(Echo)).interceptor(Closed);
    let server = Running::start(builder).await;
    let mut list = server.client().list(&soon(), ListReq { count: 1, size: 1 }).await.unwrap();
    assert_eq!(list.next().await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn windows_are_as_the_builders_say() {
    // Its uploads are read by nobody.
    let service = Scripted::new(async |_requests, _responses| Ok(()));
    let builder = Server::builder().add_service(echo_service::serve(service));
    let server = Running::start(builder.stream_window_max(4000).connection_window(10_000)).await;
    let client = server.client();
    // Each message costs 1000 bytes, 12 of a header and 3 of protobuf. Three are covered by a stream's
    // credit; the fourth, with what is left of it, goes out only while the connection has plenty.
    let mut streams = Vec::new();
    for expected in [4, 3, 3, 0] {
        let (mut requests, answer) = client.upload(&soon()).await.unwrap();
        let mut sent = 0;
        while let Poll::Ready(outcome) =
            poll!(std::pin::pin!(requests.send(EchoReq { payload: vec![1; 1000].into() })))
        {
            outcome.unwrap();
            sent += 1;
        }
        assert_eq!(sent, expected);
        streams.push((requests, answer));
    }
    // Those that wait go on once another stream is given up.
    let (mut waiting, _answer) = streams.pop().unwrap();
    streams.clear();
    let send = waiting.send(EchoReq { payload: vec![1; 1000].into() });
    timeout(SOON, send).await.expect("there is credit again").unwrap();
}

#[tokio::test]
async fn who_waits_for_the_credit_of_the_connection_is_woken_by_the_deadline() {
    let service = Scripted::new(async |_requests, _responses| Ok(()));
    let builder = Server::builder().add_service(echo_service::serve(service));
    let server = Running::start(builder.connection_window(10_000)).await;
    let client = server.client();
    let (mut first, _answer) = client.upload(&soon()).await.unwrap();
    first.send(EchoReq { payload: vec![1; 20_000].into() }).await.unwrap();

    let cx = Context::with_timeout(Duration::from_secs(3));
    let (mut second, _answer) = client.upload(&cx).await.unwrap();
    let sending = timeout(SOON, second.send(echo_req("x"))).await.expect("it is woken");
    assert_eq!(sending.unwrap_err().code(), Code::DeadlineExceeded);
}
