//! Frames that are no requests: one clear error each, and the connection goes on where it can.

use crate::frames::{logged_in, take};
use bytes::BytesMut;
use im_wire::frames::{Frame, FrameLimits, Frames, ServerConnection, put_frame};
use im_wire::{Command, Reply};
use proptest::{collection::vec, prelude::*};

fn frame(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    put_frame(&mut frame, kind, body);
    frame.to_vec()
}

/// The code of an answer.
fn code(body: &str) -> u64 {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["code"].as_u64().unwrap()
}

#[test]
fn each_kind_of_bad_body_has_one_error_and_the_connection_goes_on() {
    let deep = format!("{}1{}", "[".repeat(17), "]".repeat(17));
    let deep = format!(r#"{{"later":{deep}}}"#);
    let long_id = format!(r#"{{"id":"{}"}}"#, "x".repeat(65));
    for (kind, body, answer, expected, words) in [
        (2001, &b"{"[..], 9001, 4001, "bad JSON at line 1 column 1"),
        (2001, b"[1,2]", 9001, 4001, "bad JSON: not an object"),
        (2001, b"7", 9001, 4001, "bad JSON: not an object"),
        (2001, b"{}{}", 9001, 4001, "bad JSON at line 1 column 3"),
        (2001, b"{\"content\":\"\xff\"}", 9001, 4001, "not valid UTF-8"),
        (2001, b"{\"content\":\"\\ud800\"}", 9001, 4001, "bad content"),
        (2001, deep.as_bytes(), 9001, 4001, "bad JSON: nested too deeply"),
        (2001, b"{}", 9001, 4001, "to_user_id is missing"),
        (2001, br#"{"to_user_id":0,"content":"x"}"#, 9001, 4001, "bad to_user_id"),
        (2001, br#"{"to_user_id":8.5,"content":"x"}"#, 9001, 4001, "bad to_user_id"),
        (2001, br#"{"to_user_id":8}"#, 9001, 4001, "content is missing"),
        (2001, br#"{"to_user_id":8,"content":""}"#, 9001, 4001, "bad content"),
        (2001, br#"{"to_user_id":8,"type":1,"content":"x"}"#, 9001, 4001, "bad type"),
        (
            2001,
            br#"{"to_user_id":8,"content":"x","message_id":"a b"}"#,
            9001,
            4001,
            "bad client_msg_id",
        ),
        (
            2003,
            br#"{"kind":"received","message_id":9007199254740993}"#,
            9001,
            4001,
            "bad message_id",
        ),
        (2003, br#"{"kind":"seen"}"#, 9001, 4001, "bad kind"),
        (
            2004,
            br#"{"to_user_id":8,"group_id":3}"#,
            9001,
            4001,
            "bad session_id: only one of session_id, to_user_id, group_id",
        ),
        (2004, br#"{"session_id":"c2c_1_2"}"#, 9001, 4001, "bad session_id"),
        (3001, br#"{"status":0}"#, 9001, 4001, "bad status"),
        (2001, br#"{"to_user_id":8,"content":"x","extra":7}"#, 9001, 4001, "bad extra"),
        (
            2001,
            br#"{"to_user_id":8,"content":"x","extra":{"priority":"top"}}"#,
            9001,
            4001,
            "bad priority",
        ),
        (4001, br#"{"op":"users"}"#, 4002, 4001, "user_ids is missing"),
        (4001, br#"{"op":"users","user_ids":[8,0]}"#, 4002, 4001, "bad user_ids"),
        (3002, br#"{"limit":0}"#, 3003, 4001, "bad range"),
        (3004, br#"{"to_user_id":8,"after_seq":1,"before_seq":2}"#, 3005, 4001, "bad range"),
        (4001, b"{}", 4002, 4001, "op is missing"),
        (4001, br#"{"op":"fly"}"#, 4002, 4002, "unsupported op"),
        (9002, long_id.as_bytes(), 9001, 4001, "bad id"),
        (1001, b"{}", 1002, 1003, "already logged in"),
        (1007, b"{}", 1008, 4001, "refresh_token is missing"),
        (1009, br#"{"old":"a","new":""}"#, 1010, 4001, "bad new"),
        (1002, b"{}", 9001, 4002, "unsupported type"),
        (9001, b"{}", 9001, 4002, "unsupported type"),
        (65535, b"", 9001, 4002, "unsupported type"),
    ] {
        let mut connection = logged_in();
        connection.receive(&frame(kind, body));
        assert!(connection.next_command().is_none());
        let answers = take(&mut connection);
        let shown = String::from_utf8_lossy(body);
        assert_eq!(answers.len(), 1, "{kind} {shown}: {answers:?}");
        let (kind_of_answer, answered) = &answers[0];
        assert_eq!((*kind_of_answer, code(answered)), (answer, expected), "{shown}: {answered}");
        assert!(answered.contains(&format!(r#""message":"{words}""#)), "{shown}: {answered}");
        connection.receive(&frame(4001, br#"{"op":"friends"}"#));
        let (_, command) = connection.next_command().expect("it goes on");
        assert_eq!(command, Command::GetFriends);
    }
}

const REQUESTS: [u16; 15] =
    [1001, 1003, 1005, 1007, 1009, 2001, 2002, 2003, 2004, 2005, 3001, 3002, 3004, 4001, 9002];

#[test]
fn what_could_not_be_read_at_all_is_a_9001_whatever_its_type() {
    let too_deep = format!(r#"{{"later":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    for kind in REQUESTS {
        let mut other = frame(kind, b"{}");
        other[6] = 2;
        for (bytes, expected) in [
            (other, 4003),
            (frame(kind, b"{"), 4001),
            (frame(kind, b"[]"), 4001),
            (frame(kind, b"{\"id\":\"\xff\"}"), 4001),
            (frame(kind, too_deep.as_bytes()), 4001),
        ] {
            let mut connection = match kind {
                // Whoever is logged in is refused these without a look at the body.
                1001 | 1005 => ServerConnection::new(FrameLimits::default()),
                _ => logged_in(),
            };
            connection.receive(&bytes);
            assert!(connection.next_command().is_none());
            let answers = take(&mut connection);
            assert_eq!((answers.len(), answers[0].0), (1, 9001), "{kind}: {answers:?}");
            assert_eq!(code(&answers[0].1), expected, "{kind}: {answers:?}");
            assert!(answers[0].1.contains(&format!(r#""type":{kind}"#)), "{kind}: {answers:?}");
        }
    }
}

#[test]
fn a_body_is_as_deep_as_it_may_be_and_no_deeper() {
    for (depth, refused) in [(16, false), (17, true)] {
        // The body is one of them.
        let later = format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let mut connection = logged_in();
        connection.receive(&frame(4001, format!(r#"{{"op":"friends","x":{later}}}"#).as_bytes()));
        assert_eq!(connection.next_command().is_none(), refused, "{depth}");
    }
}

#[test]
fn a_heartbeat_waits_for_no_answer_before_it() {
    let (message, list) = (frame(2001, br#"{"to_user_id":8,"content":"x"}"#), frame(3002, b""));
    let beat = frame(9002, br#"{"n":1,"id":7}"#);
    let answer = (9003, r#"{"n":1,"id":7}"#.to_owned());
    for before in [vec![&message], vec![&list], vec![&message, &list]] {
        let mut connection = logged_in();
        before.iter().for_each(|bytes| connection.receive(bytes));
        let (slot, _) = connection.next_command().expect("a request");
        assert!(connection.next_command().is_none());
        connection.receive(&beat);
        connection.receive(&frame(9002, br#"{"id":""}"#));
        connection.receive(&message);
        assert!(connection.next_command().is_none() || before == [&message]);
        let answers = take(&mut connection);
        assert_eq!(answers[0], answer, "{before:?}");
        assert_eq!((answers.len(), answers[1].0, code(&answers[1].1)), (2, 9001, 4001));
        connection.reply(slot, Reply::err("blocked"));
        assert_eq!(take(&mut connection).len(), 1, "{before:?}");
    }
}

#[test]
fn whoever_can_be_told_which_request_was_bad_is() {
    let mut connection = logged_in();
    connection.receive(&frame(2001, br#"{"to_user_id":"x","id":"a7"}"#));
    assert!(connection.next_command().is_none());
    let answer = r#"{"code":4001,"message":"bad to_user_id","status":"INVALID_ARGUMENT","id":"a7","type":2001}"#;
    assert_eq!(take(&mut connection), [(9001, answer.to_owned())]);
}

#[test]
fn before_a_log_in_everything_else_is_refused_and_the_33rd_ends_it() {
    let mut connection = ServerConnection::new(FrameLimits::default());
    for number in 1..=33 {
        assert_eq!(connection.ended(), None, "{number}");
        connection.receive(&frame(2001, br#"{"to_user_id":8,"content":"x"}"#));
        assert!(connection.next_command().is_none());
        let answers = take(&mut connection);
        assert_eq!((answers.len(), code(&answers[0].1)), (1, 3001));
    }
    assert_eq!(connection.ended(), Some("not login"));
    assert!(!connection.wants_input(), "nothing more is read");
    connection.receive(&frame(9002, b""));
    assert!(connection.next_command().is_none() && take(&mut connection).is_empty());
}

#[test]
fn another_version_is_skipped_and_a_length_that_none_has_ends_it() {
    for version in [0, 2, 255] {
        let mut connection = logged_in();
        let mut other = frame(2001, b"{}");
        other[6] = version;
        connection.receive(&other);
        assert!(connection.next_command().is_none());
        let answers = take(&mut connection);
        assert_eq!((answers[0].0, code(&answers[0].1)), (9001, 4003));
        assert_eq!(connection.ended(), None);
    }
    for (length, reason, expected) in [
        (0_u32, "bad length", 4001),
        (7, "bad length", 4001),
        (1_025, "too big", 2003),
        ((1 << 31) - 1, "too big", 2003),
        (1 << 31, "too big", 2003),
        (u32::MAX, "too big", 2003),
    ] {
        let mut connection = logged_in();
        connection.receive(&[&length.to_be_bytes()[..], &[7, 209, 1, 0]].concat());
        assert!(connection.next_command().is_none());
        assert_eq!(connection.ended(), Some(reason));
        assert!(!connection.wants_input(), "nobody knows what comes");
        connection.receive(&[b'x'; 4_096]);
        assert!(connection.next_command().is_none());
        connection.close(reason);
        let answers = take(&mut connection);
        assert_eq!((answers.len(), answers[0].0, code(&answers[0].1)), (1, 9001, expected));
        assert_eq!(connection.buffer_bytes(), 0, "nothing is kept of what cannot be read");
    }
}

#[test]
fn the_shortest_frame_and_the_longest_are_read() {
    let limits = FrameLimits { frame_bytes_max: 1_024, ..FrameLimits::default() };
    for length in [8, 9, 1_023, 1_024] {
        let mut connection = ServerConnection::new(limits);
        let body = match length - 8 {
            0 => String::new(),
            1 => "7".to_owned(),
            longer => format!("{{{:1$}}}", "", longer - 2),
        };
        let bytes = frame(9002, body.as_bytes());
        assert_eq!(bytes.len(), length);
        let (last, others) = bytes.split_last().unwrap();
        connection.receive(others);
        assert!(connection.next_command().is_none() && take(&mut connection).is_empty());
        connection.receive(&[*last]);
        assert!(connection.next_command().is_none());
        assert_eq!((take(&mut connection).len(), connection.ended()), (1, None), "{length}");
    }
}

#[test]
fn all_of_a_frame_may_be_brackets() {
    let body = "[".repeat(64 * 1024 - 8);
    for body in [body.clone(), format!(r#"{{"content":{}"#, &body[..body.len() - 11])] {
        let mut connection = ServerConnection::new(FrameLimits::default());
        connection.receive(&frame(1001, body.as_bytes()));
        assert!(connection.next_command().is_none());
        let answers = take(&mut connection);
        assert!(answers[0].1.contains("bad JSON: nested too deeply"), "{answers:?}");
        assert_eq!((answers.len(), connection.ended()), (1, None));
    }
}

#[test]
fn what_was_asked_before_a_bad_length_is_answered_first() {
    let mut connection = logged_in();
    connection.receive(&frame(2001, br#"{"to_user_id":8,"content":"x"}"#));
    connection.receive(&[0; 8]);
    let (slot, _) = connection.next_command().unwrap();
    assert!(connection.next_command().is_none());
    assert_eq!(connection.ended(), None, "somebody waits");
    connection.reply(slot, Reply::MsgIdSeq(1, 1));
    assert_eq!(connection.ended(), Some("bad length"));
    assert_eq!(take(&mut connection).len(), 1);
}

#[test]
fn a_log_out_ends_the_connection_and_an_idle_one_holds_nothing() {
    let mut connection = logged_in();
    assert!(connection.buffer_bytes() < 1_024, "holds {}", connection.buffer_bytes());
    connection.receive(&frame(1003, b""));
    let (slot, command) = connection.next_command().unwrap();
    assert_eq!(command, Command::Logout);
    connection.reply(slot, Reply::LoggedOut);
    assert_eq!(connection.ended(), Some("logged out"));
    assert_eq!(take(&mut connection).len(), 1);
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    let mut frames = Frames::new(1 << 20);
    frames.receive(&(1_u32 << 20).to_be_bytes());
    frames.receive(&[7, 209, 1, 0]);
    assert_eq!(frames.next_frame(), None);
    assert!(frames.capacity() < 64, "holds {}", frames.capacity());
    for _ in 0..1_000 {
        frames.receive(&[b' '; 1_024]);
        assert_eq!(frames.next_frame(), None);
        assert!(frames.capacity() <= 2 * frames.buffered().max(1_024));
    }
}

/// What a server does with some bytes, however they come: commands and answers.
fn conversation(chunks: &[&[u8]]) -> Vec<String> {
    let mut connection = logged_in();
    let mut said = Vec::new();
    for chunk in chunks {
        connection.receive(chunk);
        while let Some((slot, command)) = connection.next_command() {
            said.push(format!("{command:?}"));
            connection.reply(slot, Reply::err("blocked"));
        }
    }
    said.extend(take(&mut connection).into_iter().map(|(kind, body)| format!("{kind} {body}")));
    said.push(format!("{:?}", connection.ended()));
    said
}

fn some_frame() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        Just(br#"{"to_user_id":8,"content":"x"}"#.to_vec()),
        Just(br#"{"op":"friends","id":1}"#.to_vec()),
        vec(any::<u8>(), 0..40),
    ];
    let kind = prop_oneof![Just(2001_u16), Just(4001), Just(9002), Just(3004), any::<u16>()];
    (kind, body, any::<u8>()).prop_map(|(kind, body, odd)| {
        let mut bytes = frame(kind, &body);
        // One in some of them is of another version, or lies about its length.
        match odd {
            0..8 => bytes[6] = odd,
            8..12 => bytes[3] = odd,
            _ => {}
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_done_does_not_depend_on_how_the_bytes_were_cut(
        frames in vec(some_frame(), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = frames.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        prop_assert_eq!(conversation(&chunks), conversation(&[&bytes]));
    }

    #[test]
    fn any_bytes_are_survived_and_little_is_kept(bytes in vec(any::<u8>(), 0..4_096)) {
        let mut frames = Frames::new(1_024);
        for chunk in bytes.chunks(100) {
            frames.receive(chunk);
            while let Some(frame) = frames.next_frame() {
                if matches!(frame, Frame::BadLength | Frame::TooBig) {
                    break;
                }
            }
            prop_assert!(frames.capacity() <= 2_048);
        }
    }
}
