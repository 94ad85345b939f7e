//! What the fuzz targets in `im-wire/fuzz` call: whatever a client sends, nothing panics, loops, or keeps
//! more than the limits warrant, and what is answered is whole. With the feature `fuzzing` only; not for
//! people.

#[cfg(test)]
mod corpus_tests;
mod drive;

use crate::frames::{self, FrameLimits, HEADER_BYTES, put_frame};
use crate::text::{self, TextLimits};
use crate::web_socket::{self, SocketLimits};
use bytes::BytesMut;
use drive::{drive, log_in};

/// The longest line, frame and message here: short, so that short inputs go past it.
const BYTES_MAX: usize = 256;
const IN_FLIGHT_MAX: usize = 4;
const OUTPUT_BYTES_MAX: usize = 1_024;

/// Text lines.
pub fn lines(data: &[u8]) {
    let mut server = text::ServerConnection::new(TextLimits {
        line_bytes_max: BYTES_MAX,
        in_flight_max: IN_FLIGHT_MAX,
        output_bytes_max: OUTPUT_BYTES_MAX,
    });
    server.welcome();
    let output = String::from_utf8(drive(&mut server, data));
    assert!(output.is_ok(), "answers are UTF-8");
    let output = output.unwrap_or_default();
    assert!(output.ends_with('\n'), "the last line is cut off");
    let shown = output.chars().all(|char| char == '\n' || !char.is_control());
    assert!(shown, "what somebody wrote has left its line");
}

/// Frames, from the first on.
pub fn frames(data: &[u8]) {
    let mut server = frame_server();
    all_frames(&drive(&mut server, data));
}

/// The body of one request of somebody who is logged in; the first two bytes are its type.
pub fn json(data: &[u8]) {
    let Some((kind, body)) = data.split_first_chunk::<2>() else { return };
    let mut server = frame_server();
    log_in(&mut server, &frame(1001, br#"{"username":"ada","password":"x"}"#));
    let kind = u16::from_be_bytes(*kind);
    let body = &body[..body.len().min(BYTES_MAX - HEADER_BYTES)];
    // Whole, and answered in the order of its requests.
    let output = drive(&mut server, &[&[0xff][..], &frame(kind, body)].concat());
    let answers = all_frames(&output).len();
    // The last one says that it is over.
    assert!((1..=2).contains(&answers), "{answers} answers to one request");
}

/// WebSocket, from the end of its handshake on.
pub fn web_socket(data: &[u8]) {
    let mut server = web_socket::ServerConnection::new(SocketLimits {
        message_bytes_max: BYTES_MAX,
        in_flight_max: IN_FLIGHT_MAX,
        output_bytes_max: OUTPUT_BYTES_MAX,
    });
    let mut output = &drive(&mut server, data)[..];
    while let [flags, length, rest @ ..] = output {
        let (bytes, rest) = match length {
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk::<2>() else { break };
                (u16::from_be_bytes(*bytes).into(), rest)
            }
            short => (usize::from(*short), rest),
        };
        assert!(bytes <= rest.len(), "the last frame is cut off");
        let (payload, rest) = rest.split_at(bytes);
        match flags {
            0x81 => assert!(is_json(payload), "{payload:?}"),
            0x82 => drop(all_frames(payload)),
            flags => assert!((0x88..=0x8a).contains(flags), "a frame with the flags {flags}"),
        }
        output = rest;
    }
    assert!(output.is_empty(), "half a header");
}

fn frame_server() -> frames::ServerConnection {
    frames::ServerConnection::new(FrameLimits {
        frame_bytes_max: BYTES_MAX,
        in_flight_max: IN_FLIGHT_MAX,
        output_bytes_max: OUTPUT_BYTES_MAX,
    })
}

fn frame(kind: u16, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    put_frame(&mut frame, kind, body);
    frame
}

/// The bodies of frames that are whole and JSON.
fn all_frames(mut output: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Some(length) = output.first_chunk::<4>() {
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        assert!((HEADER_BYTES..=output.len()).contains(&bytes), "the last frame is cut off");
        let body = &output[HEADER_BYTES..bytes];
        assert!(is_json(body), "{}", String::from_utf8_lossy(body));
        bodies.push(body);
        output = &output[bytes..];
    }
    assert!(output.is_empty(), "half a header");
    bodies
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
