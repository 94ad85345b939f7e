//! What arrives at a server that is v2 up to a point.

use mprpc::Code;

use super::bytes::{
    AUTH, CALL, CANCEL, CREDIT, DATA, END, GOAWAY, PING, PONG, REQUEST, RESPONSE, SETTINGS, field,
    frame, header, nested, payload, request, v2, varint,
};
use super::to_a_server::Reaction::{Closed, Cut, Ignored, Refused, RefusedAndSkips, Served, Waits};
use super::to_a_server::{Case, case};

const MAX: u32 = 4 * 1024 * 1024;

fn head(head: &[u8]) -> Vec<u8> {
    v2(frame(REQUEST, END, CALL, &payload(head, &[])))
}

fn to_path(path: &[u8]) -> Vec<u8> {
    head(&field(1, path))
}

/// Behind a request that is at work.
fn behind(method: &str, flags: u8, then: impl AsRef<[u8]>) -> Vec<u8> {
    v2([&request(method, flags, CALL, &[])[..], then.as_ref()].concat())
}

fn lengths() -> Vec<Case> {
    let with_a_body = |kind| {
        let body = vec![0; MAX as usize + 1];
        v2([header(MAX + 1, kind, END, 0, CALL), body].concat())
    };
    let without = |length, kind| v2(header(length, kind, END, 0, CALL));
    vec![
        case("a request of 2^32-1 bytes", without(u32::MAX, REQUEST), RefusedAndSkips(TOO_LARGE)),
        case("a request that is too long", with_a_body(REQUEST), Refused(TOO_LARGE)),
        case("a request of the maximum, without a body", without(MAX, REQUEST), Waits),
        case("a request of no bytes", without(0, REQUEST), Closed),
        case("SETTINGS of 2^32-1 bytes", without(u32::MAX, SETTINGS), Closed),
        case("a PING of 2^32-1 bytes", without(u32::MAX, PING), Closed),
        case("a PING of the maximum, without a body", without(MAX, PING), Waits),
        case("DATA of 2^32-1 bytes", without(u32::MAX, DATA), Closed),
        case("an AUTH of 2^32-1 bytes", without(u32::MAX, AUTH), Closed),
        case("a CANCEL of 2^32-1 bytes", without(u32::MAX, CANCEL), Closed),
        case("an unknown kind of 2^32-1 bytes", without(u32::MAX, 200), Waits),
        case("an unknown kind that is too long", with_a_body(200), Ignored),
    ]
}

const TOO_LARGE: Code = Code::ResourceExhausted;

fn frames() -> Vec<Case> {
    let echo = request("Echo", END, CALL, b"\x0a\x02hi");
    let no_text = [field(1, b"echo.EchoService/Echo"), b"\x78\x01".to_vec()].concat();
    vec![
        case("no SETTINGS", [b"MPR2", &echo[..]].concat(), Served),
        case("SETTINGS that do not parse", v2(frame(SETTINGS, 0, 0, &[0xff; 9])), Closed),
        case("SETTINGS nested too deep", v2(frame(SETTINGS, 0, 0, &nested(150))), Closed),
        case("SETTINGS again and again", v2(frame(SETTINGS, 0, 0, &[]).repeat(99)), Ignored),
        case(
            "unknown kinds",
            v2([0, 11, 255].map(|kind| frame(kind, 9, 9, b"?")).concat()),
            Ignored,
        ),
        case("an AUTH that nobody asks for", v2(frame(AUTH, 0, 0, &field(1, b"x"))), Ignored),
        case("an AUTH that does not parse", v2(frame(AUTH, 0, 0, &[0xff; 9])), Closed),
        case("an AUTH over its limit", v2(frame(AUTH, 0, 0, &field(1, &[b'x'; 1024]))), Closed),
        case("AUTH twice", v2(frame(AUTH, 0, 0, &[]).repeat(2)), Closed),
        case("AUTH behind a request", behind("EchoSlowly", END, frame(AUTH, 0, 0, &[])), Closed),
        case("flags that nobody knows", v2(request("Echo", 0xfd, CALL, b"")), Served),
        case("a compressed message, not asked for", v2(request("Echo", 3, CALL, &[9; 9])), Closed),
        case(
            "a field that nobody knows",
            v2(frame(REQUEST, END, CALL, &payload(&no_text, &[]))),
            Served,
        ),
        case("a RESPONSE", v2(frame(RESPONSE, END, CALL, &[0])), Closed),
        case("a GOAWAY", v2(frame(GOAWAY, 0, 0, &[0xff; 9])), Ignored),
        case("a PONG that nobody waits for", v2(frame(PONG, 0, 0, b"?")), Ignored),
        case("a CANCEL of an unknown call", v2(frame(CANCEL, END, CALL, &[])), Ignored),
        case("a CANCEL with a payload", v2(frame(CANCEL, END, CALL, b"why")), Ignored),
        case("half a frame's header", v2([0xff; 7]), Cut),
        case("half a frame's payload", echo_cut_at(30), Cut),
        case("half of what is skipped", v2([&header(9, 200, 0, 0, 0)[..], b"?"].concat()), Cut),
        case("a preface, and garbage", [b"MPR2", &[0xa5; 100][..]].concat(), Waits),
        case(
            "an id that is in use",
            behind("EchoSlowly", END, request("Echo", END, CALL, &[])),
            Closed,
        ),
    ]
}

fn echo_cut_at(bytes: usize) -> Vec<u8> {
    let mut echo = v2(request("Echo", END, CALL, b"\x0a\x02hi"));
    echo.truncate(4 + 12 + bytes);
    echo
}

fn heads() -> Vec<Case> {
    let longer = varint(9);
    let overflowing = [0xff; 11];
    let raw = |bytes: &[u8]| v2(frame(REQUEST, END, CALL, bytes));
    let numbered = |method| {
        let payload = payload(&field(1, b"echo.EchoService/Echo"), &[]);
        let length = u32::try_from(payload.len()).unwrap();
        v2([header(length, REQUEST, END, method, CALL), payload].concat())
    };
    vec![
        case("a head that is longer than its frame", raw(&longer), Closed),
        case("a head whose length overflows", raw(&overflowing), Closed),
        case("a head over its limit", head(&field(15, &[0; 16_384])), Closed),
        case("a head that does not parse", head(&[0xff, 0xff]), Closed),
        case("a head that is nested too deep", head(&nested(150)), Closed),
        case("a path that is no text", to_path(b"\xff\xfe"), Closed),
        case("a path over its limit", to_path(&[b'x'; 1025]), Closed),
        case("a path that nobody serves", to_path(b"no.Such/Thing"), Refused(Code::Unimplemented)),
        case(
            "a path that forges a line",
            to_path("a\nWARN forged\r\0\x07\u{2028}\x1b[31m".as_bytes()),
            Refused(Code::Unimplemented),
        ),
        case("a number that was not named", raw(&[0]), Closed),
        case("a number over the limit", numbered(4096), Closed),
        case("the highest number", numbered(4095), Served),
        case(
            "a message that does not parse",
            v2(request("Echo", END, CALL, b"\x0a\xffhi")),
            Refused(Code::InvalidArgument),
        ),
        case(
            "a message that is nested too deep",
            v2(request("Echo", END, CALL, &nested(101))),
            Refused(Code::InvalidArgument),
        ),
        case(
            "a message that is nested half a million deep",
            v2(request("Echo", END, CALL, &nested(500_000))),
            Refused(Code::InvalidArgument),
        ),
        case(
            "a message that is nested as deep as one may be",
            v2(request("Echo", END, CALL, &nested(100))),
            Served,
        ),
        case("the longest time", head_with(&[b"\x10", &varint(u64::MAX)[..]].concat()), Served),
        case(
            "a traceparent that makes no sense",
            head_with(&entry("traceparent", b"00-x-y-z")),
            Served,
        ),
        case("as much metadata as a client may send", entries(64), Served),
        case("one entry more", entries(65), Refused(TOO_LARGE)),
        case("thousands of entries", entries(8_000), Refused(TOO_LARGE)),
        case("a name that is no text", head_with(&field(3, &field(1, b"\xff"))), Closed),
    ]
}

/// The head of an echo, with this behind its path.
fn head_with(more: &[u8]) -> Vec<u8> {
    head(&[&field(1, b"echo.EchoService/Echo")[..], more].concat())
}

/// Nothing but entries of metadata, which take much more memory than room on the wire.
fn entries(entries: usize) -> Vec<u8> {
    head_with(&field(3, &[]).repeat(entries))
}

fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    field(3, &[field(1, name.as_bytes()), field(2, value)].concat())
}

fn streams() -> Vec<Case> {
    let credit = |call, stream: u32, connection: u32| {
        frame(CREDIT, 0, call, &[stream.to_le_bytes(), connection.to_le_bytes()].concat())
    };
    let data = frame(DATA, 0, CALL, b"\x0a\x02hi");
    let end = frame(DATA, END, CALL, &[]);
    // An echo gives back what it reads, and stops reading when nobody takes that.
    let flood = frame(DATA, 0, CALL, &field(1, &[b'x'; 60_000])).repeat(20);
    let too_much = credit(0, 0, i32::MAX as u32).repeat(2);
    vec![
        case("DATA for a call that nobody knows", v2(&data), Ignored),
        case("DATA for a call that does not stream", behind("EchoSlowly", END, &data), Closed),
        case("DATA behind the last", behind("Chat", 0, [&end[..], &data].concat()), Closed),
        case("the last DATA twice", behind("Chat", 0, end.repeat(2)), Closed),
        case(
            "the last DATA with a message",
            behind("Chat", 0, frame(DATA, END, CALL, b"x")),
            Closed,
        ),
        case("DATA past the credit", behind("Chat", 0, flood), Closed),
        case("CREDIT for a call that nobody knows", v2(credit(CALL, 1, 0)), Ignored),
        case("CREDIT past all bounds", v2(too_much), Closed),
        case("CREDIT of 2^32-1", v2(credit(0, 0, u32::MAX)), Closed),
        case("CREDIT that is too short", v2(frame(CREDIT, 0, CALL, &[0; 7])), Closed),
        case(
            "CREDIT for a stream past all bounds",
            behind("Chat", 0, credit(CALL, u32::MAX, 0)),
            Closed,
        ),
        case("CANCEL twice", behind("Chat", 0, frame(CANCEL, END, CALL, &[]).repeat(2)), Ignored),
        case(
            "a stream to a method without",
            v2(request("Echo", 0, CALL, &[])),
            Refused(Code::Unimplemented),
        ),
        case(
            "no stream to a method with one",
            v2(request("Chat", END, CALL, &[])),
            Refused(Code::Unimplemented),
        ),
    ]
}

#[tokio::test]
async fn a_length_is_checked_before_anything_of_it_has_come() {
    for case in lengths() {
        case.holds().await;
    }
}

#[tokio::test]
async fn a_frame_that_makes_no_sense_ends_its_own_connection_only() {
    for case in frames() {
        case.holds().await;
    }
}

#[tokio::test]
async fn a_request_that_makes_no_sense_ends_its_own_call_or_its_own_connection() {
    for case in heads() {
        case.holds().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_the_rules_ends_its_own_connection_only() {
    for case in streams() {
        case.holds().await;
    }
}
