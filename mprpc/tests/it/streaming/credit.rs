//! What a slow reader holds up: its own sender, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::poll;
use mprpc::{Code, Sender};
use mprpc_examples::{EchoReq, EchoResp, ListReq};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::scripted::Scripted;
use crate::support::{Running, SOON, echo_req, soon};

/// What a stream begins with, in bytes.
const WINDOW_BYTES: usize = 64 * 1024;

/// Sends messages of a kibibyte until it has to wait; how many it sent.
async fn send_until_it_waits(requests: &mut Sender<EchoReq>) -> usize {
    for sent in 0.. {
        let send = requests.send(EchoReq { payload: vec![1; 1024].into() });
        match poll!(std::pin::pin!(send)) {
            Poll::Ready(sent) => sent.unwrap(),
            Poll::Pending => return sent,
        }
    }
    unreachable!("a window is finite")
}

#[tokio::test]
async fn a_handler_whose_client_does_not_read_stops_at_the_window() {
    let (sent, stalled) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, stall) = (Arc::clone(&sent), Arc::clone(&stalled));
    let service = Scripted::new(move |_requests, mut responses| {
        let (count, stall) = (Arc::clone(&count), Arc::clone(&stall));
        async move {
            for n in 0..200_u8 {
                let payload = Bytes::from(vec![n; 1024]);
                let mut send = std::pin::pin!(responses.send(EchoResp { payload }));
                if let Poll::Ready(sent) = poll!(send.as_mut()) {
                    sent?;
                } else {
                    stall.notify_one();
                    send.await?;
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let server = service.serve().await;
    let (_requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    timeout(SOON, stalled.notified()).await.expect("it has to wait");
    let bytes = sent.load(Ordering::SeqCst) * 1024;
    assert!(bytes <= WINDOW_BYTES && bytes > WINDOW_BYTES / 2, "{bytes}");
    // Read, it sends the rest.
    for n in 0..200_u8 {
        assert_eq!(responses.next().await.unwrap().unwrap().payload[0], n);
    }
    assert!(responses.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_whose_handler_does_not_read_stops_at_the_window() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let service = Scripted::new(move |mut requests, mut responses| {
        let opened = Arc::clone(&opened);
        async move {
            let _open = opened.acquire().await;
            let mut bytes = 0_usize;
            while let Some(request) = requests.next().await? {
                bytes += request.payload.len();
            }
            responses.send(EchoResp { payload: bytes.to_le_bytes().to_vec().into() }).await
        }
    });
    let server = service.serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    let sent = send_until_it_waits(&mut requests).await;
    assert!(sent * 1024 <= WINDOW_BYTES && sent * 1024 > WINDOW_BYTES / 2, "{sent}");
    gate.add_permits(1);
    // A send that was dropped has sent nothing, and another goes on.
    requests.send(EchoReq { payload: vec![1; 1024].into() }).await.unwrap();
    requests.finish();
    let total = responses.next().await.unwrap().unwrap().payload;
    assert_eq!(total, ((sent + 1) * 1024).to_le_bytes()[..]);
}

#[tokio::test]
async fn streams_that_nobody_reads_hold_up_neither_calls_nor_other_streams() {
    let server = Running::echo().await;
    let client = server.client();
    let endless = ListReq { count: u32::MAX, size: 10_000 };
    let mut stalled = Vec::new();
    for _ in 0..100 {
        stalled.push(client.list(&soon(), endless).await.unwrap());
    }
    let service_that_never_reads = client.upload(&soon()).await.unwrap();
    for _ in 0..100 {
        assert_eq!(client.echo(&soon(), echo_req("fast")).await.unwrap().payload, "fast");
    }
    // More than what one window, and the connection's, holds.
    let mut read = client.list(&soon(), ListReq { count: 400, size: 100_000 }).await.unwrap();
    let mut bytes = 0;
    while let Some(response) = read.next().await.unwrap() {
        bytes += response.payload.len();
    }
    assert_eq!(bytes, 40_000_000);
    // The stalled ones have lost nothing.
    for list in &mut stalled {
        assert_eq!(list.next().await.unwrap().unwrap().payload.len(), 10_000);
    }
    drop(service_that_never_reads);
}

/// Else a hundred streams that were given up would use the connection's credit up for good.
#[tokio::test]
async fn what_waits_in_a_stream_that_is_given_up_comes_back_to_the_connection() {
    let server = Running::echo().await;
    let client = server.client();
    for _ in 0..30 {
        let mut list = client.list(&soon(), ListReq { count: 40, size: 1_000_000 }).await.unwrap();
        list.next().await.unwrap().expect("it has begun");
    }
    for _ in 0..30 {
        let (mut requests, answer) = client.upload(&soon()).await.unwrap();
        requests.send(EchoReq { payload: vec![0; 1_000_000].into() }).await.unwrap();
        drop(answer);
    }
    let (mut requests, answer) = client.upload(&soon()).await.unwrap();
    requests.send(echo_req("still goes")).await.unwrap();
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, "still goes");
}

#[tokio::test]
async fn a_message_that_is_longer_than_the_window_goes_through() {
    let server = Running::echo().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    for n in 0..4 {
        let payload = Bytes::from(vec![n; 3_900_000]);
        requests.send(EchoReq { payload: payload.clone() }).await.unwrap();
        let response = responses.next().await.unwrap().unwrap();
        assert!(response.payload == payload, "message {n}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_the_stream_goes_on() {
    let server = Running::echo().await;
    let (mut requests, answer) = server.client().upload(&soon()).await.unwrap();
    let long = EchoReq { payload: vec![0; 5_000_000].into() };
    let status = requests.send(long).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    requests.send(echo_req("short")).await.unwrap();
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, "short");
}

/// A handler that does not care for the rest does not make the client wait to send it.
#[tokio::test]
async fn what_is_sent_to_a_reader_that_has_gone_is_thrown_away() {
    let service = Scripted::new(async |requests, mut responses| {
        drop(requests);
        responses.send(EchoResp { payload: "I do not listen".into() }).await?;
        std::future::pending().await
    });
    let server = service.serve().await;
    let (mut requests, mut responses) = server.client().chat(&soon()).await.unwrap();
    responses.next().await.unwrap().expect("the handler is at work");
    for _ in 0..100 {
        requests.send(EchoReq { payload: vec![0; 10_000].into() }).await.unwrap();
    }
}
