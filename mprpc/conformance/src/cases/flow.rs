//! What is not read holds up whoever sends it, and nobody else.

use std::time::Duration;

use super::failure::{Failure, equal};
use super::streams::asking;
use super::{Peer, call};
use crate::{Empty, InputRequest};

const MESSAGE_BYTES: u32 = 64 * 1024;
const MESSAGES: usize = 640;

/// Far more than the windows of a stream, and far less than what there is to send, in bytes. A
/// sender that gets so far is held up by nothing.
const UNREAD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A sender that has not moved for so long waits.
const STILL: Duration = Duration::from_millis(300);

pub(super) async fn push_back_on_answers(peer: Peer) -> Result<(), Failure> {
    let before = peer.streamed_bytes().await?;
    let asked = asking(&[MESSAGE_BYTES; MESSAGES]);
    let mut answers = peer.client().streaming_output_call(&call(), asked).await?;
    let mut sent = 0;
    loop {
        tokio::time::sleep(STILL).await;
        // On the same connection, which the stream does not hold up.
        let now = peer.streamed_bytes().await? - before;
        below_the_bound(now)?;
        if now == sent {
            break;
        }
        sent = now;
    }
    let mut read = 0;
    while let Some(answer) = answers.next().await? {
        read += answer.payload.len();
    }
    equal("what was read in the end", read, MESSAGES * MESSAGE_BYTES as usize)
}

pub(super) async fn push_back_on_requests(peer: Peer) -> Result<(), Failure> {
    let (mut requests, answer) = peer.client().streaming_input_call(&call()).await?;
    // Each is read so slowly that a sender which waits for it is seen to wait.
    let pause_ms = 2 * u32::try_from(STILL.as_millis()).unwrap_or(u32::MAX);
    let payload = vec![0; MESSAGE_BYTES as usize].into();
    let message = InputRequest { payload, pause_ms, ..InputRequest::default() };
    let mut sent = 0;
    while let Ok(outcome) = tokio::time::timeout(STILL, requests.send(message.clone())).await {
        outcome?;
        sent += u64::from(MESSAGE_BYTES);
        below_the_bound(sent)?;
    }
    peer.client().empty_call(&call(), Empty {}).await?;
    // What waited goes on.
    requests.send(message).await?;
    requests.finish();
    equal("what came in all", answer.await?.total_size, sent + u64::from(MESSAGE_BYTES))
}

fn below_the_bound(bytes: u64) -> Result<(), Failure> {
    if bytes <= UNREAD_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::new(format!("{bytes} bytes were sent that nobody had read")))
}
