//! What a client makes of whatever a server sends.

use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::decode;
use crate::wire::v2::client::{Calls, Opened, Request};
use crate::wire::v2::compression::Compression;
use crate::wire::v2::offer::Offer;
use crate::wire::v2::slots::CallId;
use crate::wire::v2::stream::Directions;
use crate::{ServiceDescriptor, Status};

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["U", "C"] };

/// How much may wait for the socket here, in bytes.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The calls of one connection. The first byte says which calls are made and what becomes of them,
/// the rest is what comes off the wire, in two parts.
pub fn client(data: &[u8]) {
    let Some((script, data)) = data.split_first() else { return };
    let offer = Offer { compression: Compression::above(8), ..Offer::default() };
    let mut calls = Calls::new(offer);
    let mut woken = Vec::new();
    let mut made = Vec::new();
    let half = data.len() / 2;
    for (turn, incoming) in decode(data, half.max(1)).into_iter().enumerate() {
        if turn < 8 {
            make(&mut calls, script >> turn & 1 == 1, &mut made);
        }
        if calls.receive(incoming, &mut woken).is_err() {
            calls.fail(&Status::unavailable("the server broke the protocol"), &mut woken);
            break;
        }
        made.retain(|(id, streams)| goes_on(&mut calls, *id, *streams));
        if turn == usize::from(script >> 5)
            && let Some((id, streams)) = made.pop()
        {
            if streams { calls.close(id) } else { calls.abandon(id) }
        }
        let mut written = BytesMut::new();
        calls.take_output(&mut written, &mut woken);
        calls.written(written.len());
        assert!(written.len() <= OUTPUT_BYTES_MAX, "{} bytes to write", written.len());
        woken.clear();
    }
    for (id, streams) in made {
        if streams { calls.close(id) } else { calls.abandon(id) }
    }
    assert_eq!(calls.in_flight(), 0, "calls that nobody holds");
}

fn make(calls: &mut Calls, streams: bool, made: &mut Vec<(CallId, bool)>) {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let index = usize::from(streams);
    let method = u16::from(streams);
    let request =
        Request { service: &SERVICE, index, method, deadline, metadata: None, timing: None };
    let opened = if streams {
        let both = Directions { sends: true, receives: true };
        calls.open_stream(&request, &(), both, now, Waker::noop())
    } else {
        calls.open(&request, &(), now, Waker::noop())
    };
    if let Ok(Opened::Call(id)) = opened {
        made.push((id, streams));
    }
}

/// Takes what has come for a call; whether there may be more.
fn goes_on(calls: &mut Calls, id: CallId, streams: bool) -> bool {
    if !streams {
        let outcome = calls.poll_outcome(id, Waker::noop());
        let goes_on = outcome.is_pending();
        if let Poll::Ready(Ok(answer)) = outcome {
            let _ = answer.decode::<()>();
        }
        return goes_on;
    }
    let _ = calls.poll_send(id, &Bytes::from_static(b"message"), Waker::noop());
    for _ in 0..64 {
        match calls.poll_next(id, Waker::noop()) {
            Poll::Pending => return true,
            Poll::Ready(Ok(Some(message))) => {
                let _ = message.inflate();
            }
            Poll::Ready(_) => break,
        }
    }
    true
}
