//! The golden vectors of `tests/golden`: bytes that were written down once, which no version may
//! read or write in another way. `tests/python/golden.py` holds the second implementation to the
//! same files, and says how they are made.

use bytes::{Bytes, BytesMut};
use prost::Message;
use serde_json::{Value, json};

use super::v2::compression::{Body, Compression};
use super::v2::flow::Grant;
use super::v2::frame::{self, Decoder, FRAME_BYTES_MAX, Header, Incoming, Kind};
use super::v2::head::{self, Auth, GoAway, RequestHead, ResponseHead, Settings};
use super::{classic, v2};

/// What could not be read.
type Refused = String;

#[test]
fn every_golden_vector_is_read_and_written_as_it_stands() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut checked = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let (bytes, expected) = parse(&std::fs::read_to_string(&path).unwrap());
        check(&path.display().to_string(), &bytes, &expected);
        checked += 1;
    }
    assert!(checked >= 50, "{checked} vectors");
}

/// The bytes, and what to expect of them.
fn parse(text: &str) -> (Vec<u8>, Value) {
    let expected = text.lines().find_map(|line| line.strip_prefix("# expect:")).unwrap();
    let digits: String = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    ((0..digits.len()).step_by(2).map(byte).collect(), serde_json::from_str(expected).unwrap())
}

fn check(name: &str, bytes: &[u8], expected: &Value) {
    if expected["preface"] == true {
        assert_eq!(bytes, v2::PREFACE, "{name}");
        return;
    }
    let is = |what: &str| expected[what] == true;
    let read = match expected["classic"].as_str() {
        Some("request") => classic_request(bytes),
        Some("answer") => classic_answer(bytes),
        _ => v2_frame(bytes),
    };
    let Ok((mut found, written)) = read else {
        assert!(is("broken"), "{name}: {}", read.unwrap_err());
        return;
    };
    assert!(!is("broken"), "{name} was not refused: {found}");
    if is("decode_only") {
        found["decode_only"] = true.into();
    } else {
        assert_eq!(written, bytes, "{name}");
    }
    assert_eq!(&found, expected, "{name}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A message whose encoding is known: the arguments of a classic call.
#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
}

fn classic_request(bytes: &[u8]) -> Result<(Value, Vec<u8>), Refused> {
    let mut buf = BytesMut::from(bytes);
    let mut decoder = classic::RequestDecoder::new(FRAME_BYTES_MAX);
    let request = decoder.decode(&mut buf).map_err(|error| error.to_string())?;
    let request = request.expect("it is whole, or refused before it is");
    assert!(buf.is_empty());
    let (service, method) = (text(&request.service), text(&request.method));
    let mut written = BytesMut::new();
    let args = Payload::decode(request.args.clone()).unwrap();
    classic::encode_request(service, method, &args, &mut written);
    let found = json!({
        "classic": "request",
        "service": service,
        "method": method,
        "arguments": hex(&request.args),
    });
    Ok((found, written.to_vec()))
}

fn classic_answer(bytes: &[u8]) -> Result<(Value, Vec<u8>), Refused> {
    let mut buf = BytesMut::from(bytes);
    let answer = classic::decode_response(&mut buf, FRAME_BYTES_MAX);
    let message = answer.map_err(|error| error.to_string())?.expect("whole, or refused before");
    assert!(buf.is_empty());
    let mut written = BytesMut::new();
    let start = classic::begin_response(&mut written);
    written.extend_from_slice(&message);
    classic::end_response(&mut written, start);
    Ok((json!({ "classic": "answer", "message": hex(&message) }), written.to_vec()))
}

fn v2_frame(bytes: &[u8]) -> Result<(Value, Vec<u8>), Refused> {
    let mut buf = BytesMut::from(bytes);
    let incoming = Decoder::new(FRAME_BYTES_MAX).decode(&mut buf).expect("a frame");
    let Incoming::Frame(header, payload) = incoming else {
        return Err(format!("{incoming:?}"));
    };
    assert!(buf.is_empty());
    let mut found = json!({
        "frame": header.kind as u8,
        "flags": header.flags,
        "method": header.method,
        "call": header.call,
    });
    let (said, payload) = body(header, payload)?;
    for (name, value) in said.as_object().unwrap() {
        found[name] = value.clone();
    }
    let mut written = BytesMut::new();
    frame::write(&mut written, header, &payload);
    Ok((found, written.to_vec()))
}

/// What a frame's payload says, and what is written for it.
fn body(header: Header, payload: Bytes) -> Result<(Value, Vec<u8>), Refused> {
    Ok(match header.kind {
        Kind::Settings => {
            let settings = Settings::decode(payload).map_err(|error| error.to_string())?;
            (json!({ "settings": settings_said(&settings) }), settings.encode_to_vec())
        }
        Kind::GoAway => {
            let reason = GoAway::decode(payload).map_err(|error| error.to_string())?;
            let said = json!({ "code": reason.code, "message": &reason.message });
            (json!({ "goaway": said }), reason.encode_to_vec())
        }
        Kind::Request => with_head(header.flags, payload, |head: &RequestHead| {
            let entry = |entry: &head::Entry| json!([entry.name, hex(&entry.value)]);
            let metadata: Vec<_> = head.metadata.iter().map(entry).collect();
            json!({ "path": head.path, "timeout_us": head.timeout_us, "metadata": metadata })
        })?,
        Kind::Response => with_head(
            header.flags,
            payload,
            |head: &ResponseHead| json!({ "code": head.code, "message": head.message, "details": hex(&head.details) }),
        )?,
        Kind::Credit => {
            let grant = Grant::read(payload)?;
            let said = json!({ "stream": grant.stream, "connection": grant.connection });
            (said, grant.payload().to_vec())
        }
        Kind::Auth => {
            let auth = Auth::read(payload)?;
            (json!({ "token": hex(&auth.token) }), auth.encode_to_vec())
        }
        Kind::Cancel => (json!({}), payload.to_vec()),
        Kind::Data => {
            let message = unpacked(header.flags, payload.clone())?;
            (json!({ "payload": hex(&message) }), payload.to_vec())
        }
        Kind::Ping | Kind::Pong => (json!({ "payload": hex(&payload) }), payload.to_vec()),
    })
}

fn settings_said(settings: &Settings) -> Value {
    json!({
        "frame_bytes_max": settings.frame_bytes_max,
        "calls_max": settings.calls_max,
        "stream_window": settings.stream_window,
        "connection_window": settings.connection_window,
        "inflates": u8::from(settings.inflates),
    })
}

/// The message that stands there, at a side that takes compressed ones.
fn unpacked(flags: u8, message: Bytes) -> Result<Bytes, Refused> {
    Body::read(flags, message, Compression::above(0))?.inflate()
}

fn with_head<H: Message + Default>(
    flags: u8,
    mut payload: Bytes,
    say: impl Fn(&H) -> Value,
) -> Result<(Value, Vec<u8>), Refused> {
    let head = head::read::<H>(&mut payload, v2::HEAD_BYTES_MAX)?;
    let mut written = BytesMut::new();
    head::write(&head, &mut written);
    written.extend_from_slice(&payload);
    Ok((
        json!({ "head": say(&head), "message": hex(&unpacked(flags, payload)?) }),
        written.to_vec(),
    ))
}
