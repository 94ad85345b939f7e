//! What interceptors see of a call, and what they can do to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mprpc::{
    Channel, Code, Context, Executed, Intercepted, Interceptor, Metadata, Outcome, Server, Stage,
    Status,
};
use mprpc_examples::{DescribeReq, Echo, FailReq, echo_service};
use tokio::time::timeout;

use crate::support::{Gate, Running, SOON, echo_req, slow_req, soon};

type Log = Arc<Mutex<Vec<String>>>;

/// Notes when a call comes and how it ends.
#[derive(Clone)]
struct Notes(&'static str, Log);

impl Interceptor for Notes {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let Self(who, log) = self;
            log.lock().unwrap().push(format!("{who}: {}", call.path()));
            let outcome = call.proceed(cx).await;
            let how = outcome.as_ref().map_or_else(Status::code, |()| Code::Ok);
            log.lock().unwrap().push(format!("{who}: {how}"));
            outcome
        })
    }
}

/// Gets a token somewhere, which takes a moment.
struct Token(&'static str);

impl Interceptor for Token {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            call.proceed(cx.sending("authorization", self.0)).await
        })
    }
}

/// Lets in who has the token, and tells handlers who it is instead.
struct Check;

impl Interceptor for Check {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            assert!(cx.peer().is_some() && cx.remaining() > Duration::ZERO);
            if cx.metadata().get("authorization").is_none_or(|token| token != "open sesame") {
                return Err(Status::unauthenticated("no or a wrong token"));
            }
            let who = Metadata::from_iter([("caller".to_owned(), "ali".into())]);
            call.proceed(cx.with_metadata(who)).await
        })
    }
}

/// Ends calls in its own way.
struct Ends(fn() -> Result<(), Status>);

impl Interceptor for Ends {
    fn intercept<'a>(&'a self, _: Context, _: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async { (self.0)() })
    }
}

struct Never;

impl Interceptor for Never {
    fn intercept<'a>(&'a self, _: Context, _: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(std::future::pending())
    }
}

async fn serve(interceptor: impl Interceptor) -> Running {
    let server = Server::builder().add_service(echo_service::serve(Echo));
    Running::start(server.interceptor(interceptor)).await
}

fn client(server: &Running, interceptor: impl Interceptor) -> echo_service::Client {
    let target = format!("static://{}", server.address);
    let channel = Channel::builder(target).interceptor(interceptor).build().unwrap();
    echo_service::Client::new(&channel)
}

#[tokio::test]
async fn a_token_is_added_at_the_client_and_checked_at_the_server() {
    let server = serve(Check).await;
    for bare in [server.client(), client(&server, Token("mistaken"))] {
        let status = bare.echo(&soon(), echo_req("x")).await.unwrap_err();
        assert_eq!((status.code(), status.stage()), (Code::Unauthenticated, Stage::Remote));
        assert_eq!(status.message(), "no or a wrong token");
        assert_eq!(status.executed(), Executed::No);
    }
    let client = client(&server, Token("open sesame"));
    assert_eq!(client.echo(&soon(), echo_req("x")).await.unwrap().payload, "x");
    let seen = client.describe(&soon(), DescribeReq {}).await.unwrap().metadata;
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("caller".to_owned(), "ali".into())]);
}

/// Takes away what it got.
struct Loses;

impl Interceptor for Loses {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            call.proceed(cx).await?;
            Err(Status::unavailable("it was lost on the way back"))
        })
    }
}

#[tokio::test]
async fn a_call_whose_answer_an_interceptor_of_the_server_rejects_may_have_been_executed() {
    let server = serve(Loses).await;
    let status = server.client().echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
}

#[tokio::test]
async fn the_first_interceptor_is_the_outermost_and_each_sees_how_the_call_ends() {
    let log = Log::default();
    let notes = |who| Notes(who, Arc::clone(&log));
    let server = Server::builder().add_service(echo_service::serve(Echo));
    let server = server.interceptor(notes("server 1")).interceptor(notes("server 2"));
    let server = Running::start(server).await;
    let channel = Channel::builder(format!("static://{}", server.address));
    let channel = channel.interceptor(notes("client 1")).interceptor(notes("client 2"));
    let client = echo_service::Client::new(&channel.build().unwrap());
    let fail = FailReq { code: 5, message: "not here".to_owned() };
    let status = client.fail(&soon(), fail).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "not here"));
    assert_eq!(
        *log.lock().unwrap(),
        [
            "client 1: echo.EchoService/Fail",
            "client 2: echo.EchoService/Fail",
            "server 1: echo.EchoService/Fail",
            "server 2: echo.EchoService/Fail",
            "server 2: NotFound",
            "server 1: NotFound",
            "client 2: NotFound",
            "client 1: NotFound",
        ]
    );
}

#[tokio::test]
async fn a_call_that_an_interceptor_of_the_client_rejects_is_not_sent() {
    let server = serve(Ends(|| unreachable!("nothing is sent"))).await;
    let client = client(&server, Ends(|| Err(Status::permission_denied("not today"))));
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "not today"));
    assert_eq!((status.stage(), status.executed()), (Stage::Write, Executed::No));
    assert!(status.peer().is_none());
}

#[tokio::test]
async fn a_call_without_an_answer_is_an_error_whatever_an_interceptor_says() {
    let server = serve(Ends(|| Ok(()))).await;
    for client in [server.client(), client(&server, Ends(|| Ok(())))] {
        let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("interceptor"), "{status}");
    }
}

#[tokio::test]
async fn interceptors_have_no_more_time_than_the_call() {
    let cx = || Context::with_timeout(Duration::from_millis(50));
    let server = serve(Never).await;
    let status = server.client().echo(&cx(), echo_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = client(&server, Never).echo(&cx(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::No));
}

/// Interceptors go with the call: nothing of them goes on.
#[tokio::test]
async fn dropping_an_intercepted_call_stops_its_handler() {
    let gate = Gate::default();
    let log = Log::default();
    let notes = Notes("server", Arc::clone(&log));
    let server = Server::builder().add_service(echo_service::serve(gate.clone()));
    let server = Running::start(server.interceptor(notes)).await;
    let client = client(&server, Token("any"));
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("the handler starts");
    call.abort();
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    assert_eq!(*log.lock().unwrap(), ["server: echo.EchoService/EchoSlowly"]);
}

#[tokio::test]
async fn interceptors_of_a_server_see_the_calls_of_the_classic_wire() {
    let log = Log::default();
    let server = serve(Notes("server", Arc::clone(&log))).await;
    server.classic_client().echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["server: echo.EchoService/Echo", "server: Ok"]);
}

#[tokio::test]
async fn metadata_that_may_not_be_sent_fails_the_call_before_it_is() {
    let server = Running::echo().await;
    let client = server.client();
    for name in ["Authorization", "traceparent", "mprpc-x", ""] {
        let cx = soon().sending(name, "value");
        let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
        assert_eq!((status.code(), status.stage()), (Code::InvalidArgument, Stage::Write));
        assert!(status.message().contains(name) && status.executed() == Executed::No, "{status}");
    }
    let cx = soon().sending("big", vec![b'x'; 16 * 1024]);
    let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.stage()), (Code::ResourceExhausted, Stage::Write));
    client.echo(&soon().sending("fine", "value"), echo_req("x")).await.unwrap();
}

/// Waits until the log says this.
async fn says(log: &Log, expected: &[&str]) {
    let said = async {
        while *log.lock().unwrap() != expected {
            tokio::task::yield_now().await;
        }
    };
    let outcome = timeout(SOON, said).await;
    assert!(outcome.is_ok(), "{:?}", log.lock().unwrap());
}

#[tokio::test]
async fn interceptors_of_both_ends_are_there_for_as_long_as_a_stream_is() {
    let (at_client, at_server) = (Log::default(), Log::default());
    let server = serve(Notes("server", Arc::clone(&at_server))).await;
    let client = client(&server, Notes("client", Arc::clone(&at_client)));
    let (mut requests, mut answers) = client.chat(&soon()).await.unwrap();
    requests.send(echo_req("x")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().payload, "x");
    // It is at work: nothing has ended.
    says(&at_client, &["client: echo.EchoService/Chat"]).await;
    says(&at_server, &["server: echo.EchoService/Chat"]).await;
    requests.finish();
    assert!(answers.next().await.unwrap().is_none());
    says(&at_client, &["client: echo.EchoService/Chat", "client: Ok"]).await;
    says(&at_server, &["server: echo.EchoService/Chat", "server: Ok"]).await;
}

#[tokio::test]
async fn a_stream_is_rejected_before_it_is_open() {
    let server = serve(Check).await;
    let (requests, answer) = server.client().upload(&soon()).await.unwrap();
    requests.finish();
    assert_eq!(answer.await.unwrap_err().code(), Code::Unauthenticated);
    let client = client(&server, Ends(|| Err(Status::permission_denied("not today"))));
    let status = client.upload(&soon()).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::PermissionDenied, Executed::No));
}
