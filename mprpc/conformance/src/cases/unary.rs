//! Calls of one request and one answer.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use mprpc::{Code, Context, Status};

use super::failure::{Failure, equal, failed};
use super::{Peer, call};
use crate::{EchoStatus, Empty, SimpleRequest, test_service};

/// What a large request and a large answer have, in bytes: as in gRPC's cases.
pub(super) const LARGE_REQUEST_BYTES: usize = 271_828;
pub(super) const LARGE_ANSWER_BYTES: u32 = 314_159;

const AT_ONCE: usize = 1_000;

pub(super) async fn empty_unary(peer: Peer) -> Result<(), Failure> {
    peer.client().empty_call(&call(), Empty {}).await?;
    Ok(())
}

pub(super) async fn large_unary(peer: Peer) -> Result<(), Failure> {
    large(peer.client(), vec![0; LARGE_REQUEST_BYTES].into()).await
}

pub(super) async fn large(client: test_service::Client, payload: Bytes) -> Result<(), Failure> {
    let request_size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let request =
        SimpleRequest { response_size: LARGE_ANSWER_BYTES, payload, ..SimpleRequest::default() };
    let answer = client.unary_call(&call(), request).await?;
    equal("the size of the request", answer.request_size, request_size)?;
    equal("the size of the answer", answer.payload.len(), LARGE_ANSWER_BYTES as usize)?;
    equal("a byte of the answer", answer.payload.iter().find(|byte| **byte != 0), None)
}

/// A context that sends metadata, and what it sends.
pub(super) fn with_metadata() -> (Context, HashMap<String, Bytes>) {
    let sent: HashMap<String, Bytes> = [
        ("x-conformance-text", Bytes::from_static(b"test_value")),
        ("x-conformance-bytes", Bytes::from_static(b"\x00\xab\xff\r\n")),
        ("x-conformance-empty", Bytes::new()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let cx = sent.iter().fold(call(), |cx, (name, value)| cx.sending(name, value.clone()));
    (cx, sent)
}

pub(super) async fn custom_metadata(peer: Peer) -> Result<(), Failure> {
    let (cx, sent) = with_metadata();
    let answer = peer.client().unary_call(&cx, SimpleRequest::default()).await?;
    equal("the metadata that came", answer.metadata, sent)?;
    // It goes with its call, not with the connection.
    let answer = peer.client().unary_call(&call(), SimpleRequest::default()).await?;
    equal("the metadata of the next call", answer.metadata, HashMap::new())
}

async fn ends_with(peer: &Peer, code: u32, text: &str) -> Result<(), Failure> {
    let status = EchoStatus { code, message: text.to_owned() };
    let request = SimpleRequest { response_status: Some(status), ..SimpleRequest::default() };
    let outcome = peer.client().unary_call(&call(), request).await;
    let status = failed(outcome, Code::from_u32(code))?;
    equal("the status's text", status.message(), text)
}

pub(super) async fn status_code_and_message(peer: Peer) -> Result<(), Failure> {
    for code in 1..=16 {
        ends_with(&peer, code, "test status message").await?;
    }
    Ok(())
}

pub(super) async fn special_status_message(peer: Peer) -> Result<(), Failure> {
    let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    ends_with(&peer, Code::Unknown as u32, text).await
}

pub(super) async fn deadline_reaches_the_server(peer: Peer) -> Result<(), Failure> {
    let cx = Context::with_timeout(Duration::from_secs(7));
    let answer = peer.client().unary_call(&cx, SimpleRequest::default()).await?;
    let left = answer.remaining_ms;
    if (1..=7_000).contains(&left) {
        return Ok(());
    }
    Err(Failure::new(format!("of 7,000 ms the server was given {left}")))
}

fn sleeping(delay_ms: u32) -> SimpleRequest {
    SimpleRequest { delay_ms, ..SimpleRequest::default() }
}

pub(super) async fn cancelled_unary(peer: Peer) -> Result<(), Failure> {
    let client = peer.client();
    let before = peer.stopped().await?;
    let cx = call();
    let given_up = client.unary_call(&cx, sleeping(60_000));
    // As soon as another call behind it was answered, it is there.
    tokio::select! {
        biased;
        outcome = given_up => {
            failed(outcome, Code::Cancelled)?;
        }
        answered = client.empty_call(&cx, Empty {}) => {
            answered?;
        }
    }
    peer.stopped_since(before).await
}

pub(super) async fn timeout_on_sleeping_server(peer: Peer) -> Result<(), Failure> {
    stops_in_time(&peer, |client, cx| async move {
        client.unary_call(&cx, sleeping(60_000)).await.map(|_| ())
    })
    .await
}

/// `call` takes longer than its caller has, who is told so; and its handler stops. A machine that is
/// busy may not come to begin a short call before its time is over, so longer ones are tried too.
pub(super) async fn stops_in_time<F>(
    peer: &Peer,
    call: impl Fn(test_service::Client, Context) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Status>>,
{
    let before = peer.stopped().await?;
    let mut outcome = Ok(());
    for timeout_ms in [100, 1_000, 5_000] {
        let cx = Context::with_timeout(Duration::from_millis(timeout_ms));
        failed(call(peer.client(), cx).await, Code::DeadlineExceeded)?;
        outcome = peer.stopped_since(before).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

pub(super) async fn thousand_large_at_once(peer: Peer) -> Result<(), Failure> {
    let client = peer.client();
    let payload = Bytes::from(vec![0; LARGE_REQUEST_BYTES]);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        calls.spawn(large(client.clone(), payload.clone()));
    }
    while let Some(outcome) = calls.join_next().await {
        outcome.map_err(|error| Failure::new(error.to_string()))??;
    }
    Ok(())
}
