//! How streams end other than well: early, by cancelling, at the deadline, with the connection.

use std::time::Duration;

use mprpc::{Code, Context, Executed, Server, Status};
use mprpc_examples::{Echo, EchoResp, ListReq, echo_service};
use tokio::time::timeout;

use super::scripted::Scripted;
use crate::support::{Running, SOON, echo_req, soon};

/// Answers without end, whoever reads.
fn endless() -> Scripted {
    Scripted::new(async |_requests, mut responses| {
        loop {
            responses.send(EchoResp { payload: vec![7; 100].into() }).await?;
        }
    })
}

#[tokio::test]
async fn a_status_comes_behind_the_messages_that_were_sent_before_it() {
    let service = Scripted::new(async |_requests, mut responses| {
        responses.send(EchoResp { payload: "first".into() }).await?;
        Err(Status::not_found("there is no second"))
    });
    let server = service.serve().await;
    let (_requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    assert_eq!(responses.next().await.unwrap().unwrap().payload, "first");
    let status = responses.next().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no second"));
    assert_eq!(*status.peer().unwrap(), server.address);
    assert!(status.to_string().contains("echo.EchoService/Chat"), "{status}");
}

#[tokio::test]
async fn a_handler_that_ends_early_ends_the_senders_sending_with_its_status() {
    let service = Scripted::new(async |mut requests, _responses| {
        requests.next().await?;
        Err(Status::failed_precondition("enough"))
    });
    let server = service.serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    let status = loop {
        if let Err(status) = requests.send(echo_req("more")).await {
            break status;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "enough"));
    assert_eq!(responses.next().await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_handler_that_ends_early_and_well_takes_no_more_messages() {
    let server = Scripted::new(async |_requests, _responses| Ok(())).serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    assert!(responses.next().await.unwrap().is_none());
    let status = requests.send(echo_req("more")).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
}

#[tokio::test]
async fn dropping_the_receiver_stops_the_handler() {
    let service = endless();
    let server = service.serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    responses.next().await.unwrap().expect("it has begun");
    drop(responses);
    timeout(SOON, service.dropped.notified()).await.expect("the handler is dropped");
    let status = requests.send(echo_req("for nobody")).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
}

#[tokio::test]
async fn dropping_an_unfinished_sender_stops_the_handler_and_ends_the_receiver() {
    let service = Scripted::new(async |_requests, _responses| std::future::pending().await);
    let server = service.serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    requests.send(echo_req("half of it")).await.unwrap();
    timeout(SOON, service.started.notified()).await.expect("the handler is at work");
    drop(requests);
    timeout(SOON, service.dropped.notified()).await.expect("the handler is dropped");
    assert_eq!(responses.next().await.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn dropping_the_answer_stops_the_handler() {
    let service = endless();
    let server = service.serve().await;
    let (requests, answer) = server.client().upload(&soon()).await.unwrap();
    timeout(SOON, service.started.notified()).await.expect("the handler is at work");
    drop(answer);
    timeout(SOON, service.dropped.notified()).await.expect("the handler is dropped");
    drop(requests);
}

#[tokio::test]
async fn the_deadline_ends_a_stream_at_both_ends() {
    let service = Scripted::new(async |_requests, mut responses| {
        responses.send(EchoResp::default()).await?;
        std::future::pending().await
    });
    let server = service.serve().await;
    let cx = Context::with_timeout(Duration::from_secs(3));
    let (mut requests, mut responses) = server.client().chat(&cx).await.unwrap();
    // On a machine that stands still for so long nothing has come.
    let first = responses.next().await;
    assert!(!matches!(first, Ok(None)));
    let began = first.is_ok();
    let status = responses.next().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = requests.send(echo_req("late")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    if began {
        timeout(SOON, service.dropped.notified()).await.expect("the handler is dropped");
    }
}

#[tokio::test]
async fn a_sender_that_waits_for_credit_is_woken_by_the_deadline() {
    let service = endless();
    let server = service.serve().await;
    let cx = Context::with_timeout(Duration::from_secs(3));
    let (mut requests, _answer) = server.client().upload(&cx).await.unwrap();
    let status = loop {
        if let Err(status) = requests.send(echo_req("nobody reads this")).await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn streams_that_are_open_when_the_server_stops_go_on_to_their_end() {
    let server = Running::echo().await;
    let client = server.client();
    let (mut requests, mut responses) = client.chat(&soon()).await.unwrap();
    requests.send(echo_req("before")).await.unwrap();
    assert_eq!(responses.next().await.unwrap().unwrap().payload, "before");
    server.begin_to_stop();
    // Calls are refused once the client has heard of it.
    while client.echo(&soon(), echo_req("x")).await.is_ok() {}
    for _ in 0..100 {
        requests.send(echo_req("after")).await.unwrap();
        assert_eq!(responses.next().await.unwrap().unwrap().payload, "after");
    }
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
    // Also while somebody still holds what is left of the call.
    server.stop().await;
    assert!(responses.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_with_its_connection_and_what_came_is_still_read() {
    // It does not wait for its streams when it stops.
    let hasty = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(hasty.drain_timeout(Duration::ZERO)).await;
    let client = server.client();
    let list = ListReq { count: 1_000_000, size: 1000 };
    let mut responses = client.list(&soon(), list).await.unwrap();
    responses.next().await.unwrap().expect("it has begun");
    server.stop().await;
    let status = loop {
        match responses.next().await {
            Ok(Some(response)) => assert_eq!(response.payload.len(), 1000),
            Ok(None) => panic!("a stream that was cut off ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
}
