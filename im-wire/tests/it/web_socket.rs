//! WebSocket: messages and their bytes, what breaks the protocol, and that nothing is kept at rest.

use crate::frames::ada;
use bytes::BytesMut;
use im_wire::frames::put_frame;
use im_wire::web_socket::{Incoming, Messages, ServerConnection, SocketLimits};
use im_wire::{Command, LoggedIn, Message, Peer, Reply, Secret, Shown};
use proptest::{collection::vec, prelude::*};

pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A client's frame, masked.
pub(crate) fn frame(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags];
    match payload.len() {
        short @ ..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        longer @ ..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(longer).unwrap().to_be_bytes());
        }
        longest => {
            bytes.push(0x80 | 127);
            bytes.extend((longest as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The frames of a server: flags and payload.
pub(crate) fn frames(mut output: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !output.is_empty() {
        let (head, bytes) = match output[1] {
            short @ ..126 => (2, usize::from(short)),
            126 => (4, usize::from(u16::from_be_bytes(output[2..4].try_into().unwrap()))),
            _ => {
                let bytes = u64::from_be_bytes(output[2..10].try_into().unwrap());
                (10, usize::try_from(bytes).unwrap())
            }
        };
        frames.push((output[0], output[head..head + bytes].to_vec()));
        output = &output[head + bytes..];
    }
    frames
}

pub(crate) fn drain(messages: &mut Messages) -> Vec<Incoming> {
    std::iter::from_fn(|| messages.next_message()).take(1_000).collect()
}

pub(crate) fn close_code(payload: &[u8]) -> u16 {
    u16::from_be_bytes(payload[..2].try_into().unwrap())
}

#[test]
fn messages_come_out_whole_and_pings_are_answered_between_their_frames() {
    let mut messages = Messages::new(1_024);
    messages.receive(&frame(TEXT, "h\u{e9}".as_bytes()));
    messages.receive(&frame(0x02, b"ab"));
    messages.receive(&frame(PING, b"are you there"));
    messages.receive(&frame(0x80, b"cd"));
    let expected = [
        Incoming::Text("h\u{e9}".as_bytes().to_vec().into()),
        Incoming::Binary(b"abcd".to_vec().into()),
    ];
    assert_eq!(drain(&mut messages), expected);
    assert_eq!(frames(messages.output()), [(PONG, b"are you there".to_vec())]);
    assert_eq!(messages.output_end(), messages.output().len() as u64);
}

#[test]
fn a_pong_goes_before_the_answer_to_what_came_after_its_ping() {
    let mut messages = Messages::new(1_024);
    messages.receive(&[frame(PING, b"p"), frame(TEXT, b"hello")].concat());
    assert_eq!(messages.next_message(), Some(Incoming::Text(b"hello".to_vec().into())));
    messages.send_text(2, |out| out.extend_from_slice(b"hi"));
    assert_eq!(drain(&mut messages), []);
    let sent = [(PONG, b"p".to_vec()), (TEXT, b"hi".to_vec())];
    assert_eq!(frames(messages.output()), sent);
}

#[test]
fn what_is_sent_is_whole_and_not_masked_whatever_its_length() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let mut messages = Messages::new(1_024);
        let payload = vec![b'x'; length];
        messages.send_text(length, |out| out.extend_from_slice(&payload));
        messages.send_binary(length, |out| out.extend_from_slice(&payload));
        let sent = [(TEXT, payload.clone()), (BINARY, payload)];
        assert_eq!(frames(messages.output()), sent, "{length}");
        assert_eq!(messages.output_end(), messages.output().len() as u64);
    }
}

#[test]
fn a_close_is_answered_by_its_code_and_nothing_follows() {
    let mut messages = Messages::new(1_024);
    let bye = [&1000_u16.to_be_bytes()[..], b"bye"].concat();
    messages.receive(&frame(CLOSE, &bye));
    assert_eq!(drain(&mut messages), [Incoming::Closed]);
    assert_eq!(frames(messages.output()), [(CLOSE, 1000_u16.to_be_bytes().to_vec())]);
    assert!(messages.is_over() && messages.buffer_bytes() < 64);
    messages.send_text(1, |out| out.extend_from_slice(b"x"));
    messages.receive(&frame(TEXT, b"x"));
    assert_eq!(drain(&mut messages), []);
    assert_eq!(frames(messages.output()).len(), 1);
}

#[test]
fn ours_is_the_last_frame_and_a_long_reason_is_cut_between_characters() {
    let mut messages = Messages::new(1_024);
    messages.close(4001, &"\u{e9}".repeat(100));
    let sent = frames(messages.output());
    assert_eq!((sent.len(), sent[0].0, close_code(&sent[0].1)), (1, CLOSE, 4001));
    assert_eq!(sent[0].1[2..], "\u{e9}".repeat(61).as_bytes()[..]);
    messages.receive(&frame(CLOSE, &4001_u16.to_be_bytes()));
    assert_eq!(drain(&mut messages), []);
}

#[test]
fn what_breaks_the_protocol_closes_with_its_code() {
    let unmasked = vec![TEXT, 1, b'x'];
    let too_big = frame(BINARY, &[0; 1_025]);
    let too_big_in_parts =
        [frame(0x02, &[0; 600]), frame(0x00, &[0; 600]), frame(0x80, b"")].concat();
    for (what, bytes, code) in [
        ("not masked", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"x"), 1002),
        ("a reserved opcode", frame(0x83, b"x"), 1002),
        ("a long ping", frame(PING, &[0; 126]), 1002),
        ("a ping in parts", frame(0x09, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("a message in a message", [frame(0x01, b"x"), frame(TEXT, b"y")].concat(), 1002),
        ("a close of one byte", frame(CLOSE, b"x"), 1002),
        ("a close with a code that nobody may send", frame(CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("no UTF-8", frame(TEXT, b"\xff"), 1007),
        ("half a character", [frame(0x01, b"\xc3"), frame(0x80, b"")].concat(), 1007),
        ("too big", too_big, 1009),
        ("too big in parts", too_big_in_parts, 1009),
    ] {
        let mut messages = Messages::new(1_024);
        messages.receive(&bytes);
        assert_eq!(drain(&mut messages), [Incoming::Closed], "{what}");
        let sent = frames(messages.output());
        assert_eq!((sent.len(), sent[0].0), (1, CLOSE), "{what}: {sent:?}");
        assert_eq!(close_code(&sent[0].1), code, "{what}");
        assert!(messages.is_over() && messages.buffer_bytes() < 512, "{what}");
    }
}

#[test]
fn between_two_messages_nothing_is_kept() {
    let mut messages = Messages::new(1 << 20);
    for _ in 0..3 {
        messages.receive(&frame(TEXT, b"hello"));
        assert_eq!(drain(&mut messages).len(), 1);
        assert_eq!(messages.buffer_bytes(), 0);
    }
    let long = frame(BINARY, &[7; 100_000]);
    let (begin, end) = long.split_at(50);
    messages.receive(begin);
    assert_eq!(drain(&mut messages), []);
    assert!(messages.buffer_bytes() > 0, "it is within a message");
    messages.receive(end);
    assert_eq!(drain(&mut messages).len(), 1);
    assert_eq!(messages.buffer_bytes(), 0);
}

pub(crate) fn logged_in() -> ServerConnection {
    let mut connection = ServerConnection::new(SocketLimits::default());
    ask(&mut connection, r#"{"type":1001,"id":1,"body":{"username":"ada","password":"secret"}}"#);
    take(&mut connection);
    connection
}

/// Asks, and answers a log-in.
fn ask(connection: &mut ServerConnection, text: &str) -> Option<Command> {
    connection.receive(&frame(TEXT, text.as_bytes()));
    let (slot, command) = connection.next_command()?;
    let logged_in = LoggedIn { token: Secret::new("t"), ..ada() };
    connection.reply(
        slot,
        match command {
            Command::LogIn(_) => Reply::LoggedIn(Box::new(logged_in)),
            Command::Logout => Reply::LoggedOut,
            _ => Reply::MsgIdSeq(61, 12),
        },
    );
    Some(command)
}

pub(crate) fn take(connection: &mut ServerConnection) -> Vec<(u8, String)> {
    let sent = frames(connection.output());
    connection.consume_output(connection.output().len());
    sent.into_iter()
        .map(|(flags, payload)| (flags, String::from_utf8_lossy(&payload).into_owned()))
        .collect()
}

fn pushed() -> Shown {
    let (to, text) = (Peer::User(7), "hi".to_owned());
    Shown::message(Message { msg_id: 61, seq: 12, from: 8, to, is_copy: false, ts_ms: 5, text })
}

#[test]
fn an_envelope_is_answered_by_one_with_its_id_beside_the_body() {
    let mut connection = logged_in();
    let send = r#"{"type":2001,"id":"a7","body":{"to_user_id":8,"content":"hi","id":"ignored"}}"#;
    assert!(matches!(ask(&mut connection, send), Some(Command::Send { to: 8, .. })));
    let sent = r#"{"type":2003,"id":"a7","body":{"code":0,"message":"success","kind":"sent","message_id":"61","session_id":"c2c_7_8","seq":12}}"#;
    assert_eq!(take(&mut connection), [(TEXT, sent.to_owned())]);
    let end = connection.output_end();
    let body = r#"{"message_id":"61","session_id":"c2c_7_8","from_user_id":8,"to_user_id":7,"type":0,"content":"hi","timestamp":5,"extra":{},"seq":12}"#;
    let push = format!(r#"{{"type":2001,"body":{body}}}"#);
    assert!(connection.show(&pushed()) > end);
    assert_eq!(take(&mut connection), [(TEXT, push)]);
    ask(&mut connection, r#"{"type":9002}"#);
    assert_eq!(take(&mut connection), [(TEXT, r#"{"type":9003,"body":{}}"#.to_owned())]);
}

#[test]
fn a_heartbeat_waits_for_no_answer_before_it() {
    let mut connection = logged_in();
    connection.receive(&frame(TEXT, br#"{"type":3002,"id":1}"#));
    let (slot, _) = connection.next_command().expect("a request");
    let mut beat = BytesMut::new();
    put_frame(&mut beat, 9002, b"");
    connection.receive(&frame(TEXT, br#"{"type":9002,"id":2}"#));
    connection.receive(&frame(BINARY, &beat));
    connection.receive(&frame(TEXT, br#"{"type":3002,"id":3}"#));
    assert!(connection.next_command().is_none(), "the list is not answered");
    let answers = take(&mut connection);
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0].1, r#"{"type":9003,"id":2,"body":{}}"#);
    assert!(!connection.wants_input(), "one waits");
    connection.reply(slot, Reply::err("blocked"));
    assert!(connection.next_command().is_some(), "what waited comes next");
}

#[test]
fn a_binary_message_is_one_frame_and_pushes_come_as_the_session_was_logged_in() {
    let mut connection = ServerConnection::new(SocketLimits::default());
    let mut log_in = BytesMut::new();
    put_frame(&mut log_in, 1001, br#"{"username":"ada","password":"secret"}"#);
    connection.receive(&frame(BINARY, &log_in));
    let (slot, _) = connection.next_command().expect("a log-in");
    let logged_in = LoggedIn { token: Secret::new("t"), ..ada() };
    connection.reply(slot, Reply::LoggedIn(Box::new(logged_in)));
    connection.show(&pushed());
    let sent = take(&mut connection);
    assert_eq!((sent[0].0, sent[1].0), (BINARY, BINARY));
    assert!(sent[0].1.contains(r#""session_key":"t""#) && sent[1].1.contains(r#""seq":12"#));
}

#[test]
fn what_is_no_envelope_is_refused_and_the_connection_goes_on() {
    for (text, code, id) in [
        ("", "4001", ""),
        ("7", "4001", ""),
        ("{", "4001", ""),
        (r#"{"id":3,"body":{}}"#, "4001", r#""id":3,"#),
        (r#"{"type":"2001","id":3}"#, "4001", r#""id":3,"#),
        (r#"{"type":70000,"id":3}"#, "4001", r#""id":3,"#),
        (r#"{"type":2001,"id":3,"body":[]}"#, "4001", r#""id":3,"#),
        (r#"{"type":1002,"id":3}"#, "4002", r#""id":3,"#),
    ] {
        let mut connection = logged_in();
        assert_eq!(ask(&mut connection, text), None, "{text}");
        let sent = take(&mut connection);
        let begin = format!(r#"{{"type":9001,{id}"body":{{"code":{code},"#);
        assert!(sent.len() == 1 && sent[0].1.starts_with(&begin), "{text}: {sent:?}");
        assert!(ask(&mut connection, r#"{"type":3002}"#).is_some(), "it goes on");
    }
}

#[test]
fn each_end_has_its_code() {
    for (reason, code) in [
        ("server shutting down", 1001),
        ("login timeout", 1008),
        ("server full", 1013),
        ("idle", 4000),
        ("logged in elsewhere", 4001),
        ("device revoked", 4002),
        ("logged out", 4003),
        ("not reading", 4004),
        ("whatever", 1011),
    ] {
        let mut connection = logged_in();
        connection.close(reason);
        let sent = frames(connection.output());
        assert_eq!((close_code(&sent[0].1), &sent[0].1[2..]), (code, reason.as_bytes()));
        assert!(connection.is_over() && !connection.wants_input());
    }
    // Who says goodbye hears that all is well.
    let mut connection = logged_in();
    ask(&mut connection, r#"{"type":1003,"id":1}"#);
    assert_eq!(connection.ended(), Some("logged out"));
    connection.close("logged out");
    let sent = frames(connection.output());
    assert_eq!(close_code(&sent[1].1), 1000);
}

fn some_message() -> impl Strategy<Value = Vec<u8>> {
    let payload = vec(any::<u8>(), 0..300);
    prop_oneof![
        "[a-z\u{e9}]{0,200}".prop_map(|text| frame(TEXT, text.as_bytes())),
        payload.clone().prop_map(|payload| frame(BINARY, &payload)),
        (payload.clone(), payload).prop_map(|(begin, end)| {
            [frame(0x02, &begin), frame(PING, b"p"), frame(0x80, &end)].concat()
        }),
        vec(any::<u8>(), 1..20),
    ]
}

proptest! {
    #[test]
    fn what_comes_out_does_not_depend_on_how_the_bytes_were_cut(
        sent in vec(some_message(), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let bytes = sent.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let (mut whole, mut cut) = (Messages::new(1_024), Messages::new(1_024));
        whole.receive(&bytes);
        let expected = drain(&mut whole);
        let mut found = Vec::new();
        for ends in at.windows(2) {
            cut.receive(&bytes[ends[0]..ends[1]]);
            found.append(&mut drain(&mut cut));
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(cut.output(), whole.output());
    }
}
