//! Frames: their bytes, both ways, and what is wrong with those that are no requests.

use im_wire::frames::{FrameLimits, HEADER_BYTES, ServerConnection, closing_frame, put_frame};
use im_wire::{
    Command, Credential, LogIn, LoggedIn, Outgoing, Peer, Priority, Reply, Role, Secret, Slot,
    Status, Wants,
};

fn frame(kind: u16, body: &str) -> Vec<u8> {
    let mut frame = bytes::BytesMut::new();
    put_frame(&mut frame, kind, body.as_bytes());
    frame.to_vec()
}

pub(crate) fn connection() -> ServerConnection {
    ServerConnection::new(FrameLimits { frame_bytes_max: 1_024, ..FrameLimits::default() })
}

/// One that is logged in as user 7.
pub(crate) fn logged_in() -> ServerConnection {
    logged_in_within(FrameLimits { frame_bytes_max: 1_024, ..FrameLimits::default() })
}

pub(crate) fn logged_in_within(limits: FrameLimits) -> ServerConnection {
    let mut connection = ServerConnection::new(limits);
    connection.receive(&frame(1001, r#"{"username":"ada","password":"secret"}"#));
    let (slot, _) = connection.next_command().expect("a log-in");
    connection.reply(slot, Reply::LoggedIn(Box::new(ada())));
    take(&mut connection);
    connection
}

pub(crate) fn ada() -> LoggedIn {
    LoggedIn {
        user_id: 7,
        username: "ada".to_owned(),
        role: Role::User,
        device: "web:k3v9".to_owned(),
        token: Secret::new("eyJ"),
        expires_at_ms: 0,
        refreshes: None,
    }
}

/// What was written since the last time: types and bodies.
pub(crate) fn take(connection: &mut ServerConnection) -> Vec<(u16, String)> {
    let mut output = connection.output();
    let taken = output.len();
    let mut frames = Vec::new();
    while !output.is_empty() {
        let length = u32::from_be_bytes(output[..4].try_into().unwrap()) as usize;
        assert_eq!(output[6..8], [1, 0], "version and reserved");
        let kind = u16::from_be_bytes(output[4..6].try_into().unwrap());
        frames.push((kind, String::from_utf8(output[HEADER_BYTES..length].to_vec()).unwrap()));
        output = &output[length..];
    }
    connection.consume_output(taken);
    frames
}

/// The message "hi".
fn message(
    client_msg_id: Option<&str>,
    to: Peer,
    priority: Option<Priority>,
    receipts: Option<bool>,
) -> Command {
    let (client_msg_id, text) = (client_msg_id.map(str::to_owned), "hi".to_owned());
    match (to, priority, receipts) {
        (Peer::User(to), None, None) => Command::Send { client_msg_id, to, text },
        (Peer::Group(group_id), None, None) => Command::SendGroup { client_msg_id, group_id, text },
        _ => Command::Message(Box::new(Outgoing { client_msg_id, to, text, priority, receipts })),
    }
}

pub(crate) fn ask(
    connection: &mut ServerConnection,
    kind: u16,
    body: &str,
) -> Option<(Slot, Command)> {
    connection.receive(&frame(kind, body));
    connection.next_command()
}

/// What a request is answered with that asks for no command.
fn refused(connection: &mut ServerConnection, kind: u16, body: &str) -> (u16, String) {
    let asked = ask(connection, kind, body);
    assert!(asked.is_none(), "{kind} {body}: {asked:?}");
    let mut answers = take(connection);
    assert_eq!(answers.len(), 1, "{kind} {body}: {answers:?}");
    answers.remove(0)
}

#[test]
fn a_frame_has_its_bytes() {
    assert_eq!(frame(9002, "{}"), b"\0\0\0\x0a\x23\x2a\x01\0{}");
    let full = closing_frame("server full");
    assert_eq!(&full[..8], b"\0\0\0\x35\x23\x29\x01\0");
    assert_eq!(&full[8..], br#"{"code":5003,"message":"closing server full"}"#[..].as_ref());
}

#[test]
fn a_log_in_says_who_and_what_the_session_is_to_be() {
    let password = |device: &str, events, receipts, acks| {
        let (username, password) = ("ada".into(), Secret::new("secret"));
        let credential = Credential::Password { username, password };
        LogIn {
            credential,
            device: Some(device.to_owned()),
            wants: Wants { events, receipts, acks, refresh: acks },
        }
    };
    let credentials = r#""username":"ada","password":"secret""#;
    for (body, expected) in [
        (format!("{{{credentials}}}"), password("desktop", true, true, false)),
        (
            format!(
                r#"{{"auth_type":"password",{credentials},"client_info":{{"platform":"ios",
                "version":"1","device_id":"a-1"}},"acks":true,"refresh":true,"receipts":false,"events":null}}"#
            ),
            password("mobile:a-1", true, false, true),
        ),
    ] {
        let asked = ask(&mut connection(), 1001, &body);
        assert_eq!(asked.unwrap().1, Command::LogIn(Box::new(expected)));
    }
    // What is said of the client says nothing: the token is of a device.
    let token = r#"{"auth_type":"token","token":"t","client_info":{"platform":"tv"}}"#;
    let (_, asked) = ask(&mut connection(), 1001, token).unwrap();
    let Command::LogIn(log_in) = asked else { panic!("{asked:?}") };
    assert_eq!((log_in.credential, log_in.device), (Credential::Token(Secret::new("t")), None));
    let (_, asked) = ask(&mut connection(), 1005, &format!("{{{credentials}}}")).unwrap();
    let Command::LogIn(log_in) = asked else { panic!("{asked:?}") };
    assert!(matches!(log_in.credential, Credential::New { .. }));
}

#[test]
fn every_request_is_its_command() {
    let user = Peer::User(8);
    let send = |client_msg_id: Option<&str>| message(client_msg_id, user, None, None);
    for (kind, body, expected) in [
        (1003, r#"{"everywhere":false}"#, Command::Logout),
        (1003, r#"{"everywhere":true}"#, Command::LogoutEverywhere),
        (1007, r#"{"refresh_token":"r"}"#, Command::Refresh { token: Secret::new("r") }),
        (
            1009,
            r#"{"old":"a","new":"b"}"#,
            Command::ChangePassword { old: Secret::new("a"), new: Secret::new("b") },
        ),
        (2001, r#"{"to_user_id":8,"content":"hi"}"#, send(None)),
        (2001, r#"{"message_id":"0d","to_user_id":8,"type":0,"content":"hi"}"#, send(Some("0d"))),
        (
            2001,
            r#"{"to_user_id":8,"content":"hi","extra":{"priority":"high","receipts":false,"x":1}}"#,
            message(None, user, Some(Priority::High), Some(false)),
        ),
        (
            2003,
            r#"{"kind":"received","message_id":"7529508774764085248"}"#,
            Command::Ack { msg_id: 7_529_508_774_764_085_248 },
        ),
        (2003, r#"{"kind":"received","message_id":12}"#, Command::Ack { msg_id: 12 }),
        (
            2003,
            r#"{"kind":"read","session_id":"c2c_7_8","seq":12}"#,
            Command::Read { peer: user, seq: 12 },
        ),
        (2004, r#"{"to_user_id":8}"#, Command::Typing { peer: user }),
        (
            2005,
            r#"{"group_id":3,"content":"psst"}"#,
            Command::Whisper { peer: Peer::Group(3), text: "psst".to_owned() },
        ),
        (3001, r#"{"status":2}"#, Command::Status { status: Status::Busy }),
        (3001, r#"{"user_id":8}"#, Command::PresenceOf { user_ids: vec![8] }),
        (3002, "", Command::Conversations { limit: None, page: None }),
        (
            3002,
            r#"{"limit":7,"page":"p"}"#,
            Command::Conversations { limit: Some(7), page: Some("p".to_owned()) },
        ),
        (
            3004,
            r#"{"session_id":"grp_3","after_seq":0,"limit":9}"#,
            Command::History { peer: Peer::Group(3), after_seq: 0, limit: 9 },
        ),
        (
            3004,
            r#"{"session_id":"c2c_7_7"}"#,
            Command::Recent { peer: Peer::User(7), limit: 50, before_seq: None },
        ),
        (
            3004,
            r#"{"session_id":"c2c_5_7","before_seq":12}"#,
            Command::Recent { peer: Peer::User(5), limit: 50, before_seq: Some(12) },
        ),
        (
            4001,
            r#"{"op":"set_priority","priority":"high"}"#,
            Command::Priority { priority: Priority::High },
        ),
        (4001, r#"{"op":"members","group_id":3}"#, Command::Members { group_id: 3 }),
        (4001, r#"{"op":"receipts","to_user_id":8}"#, Command::ReceiptsOf { peer: user }),
        (4001, r#"{"op":"pull"}"#, Command::Pull),
        (4001, r#"{"op":"users","user_ids":[8,9]}"#, Command::Users { user_ids: vec![8, 9] }),
        (
            4001,
            r#"{"op":"users","username":"bob"}"#,
            Command::UserNamed { username: "bob".to_owned() },
        ),
        (4001, r#"{"op":"presence","user_ids":[]}"#, Command::PresenceOf { user_ids: vec![] }),
        (4001, r#"{"op":"group","group_id":3}"#, Command::Group { group_id: 3 }),
    ] {
        let asked = ask(&mut logged_in(), kind, body);
        assert_eq!(asked.map(|(_, command)| command), Some(expected), "{kind} {body}");
    }
    for to in ["to_user_id", "group_id"] {
        let body = format!(r#"{{"{to}":3,"content":"hi"}}"#);
        let (_, command) = ask(&mut logged_in(), 2002, &body).unwrap();
        assert_eq!(command, message(None, Peer::Group(3), None, None));
    }
    let both = r#"{"to_user_id":3,"group_id":3,"content":"hi"}"#;
    let (_, command) = ask(&mut logged_in(), 2002, both).unwrap();
    assert_eq!(command, message(None, Peer::Group(3), None, None));
    let differ = r#"{"to_user_id":8,"group_id":3,"content":"hi"}"#;
    for (kind, body) in [(2001, both), (2001, differ), (2002, differ)] {
        let (_, refused) = refused(&mut logged_in(), kind, body);
        assert!(refused.contains("bad group_id: to_user_id says another"), "{kind}: {refused}");
    }
}

#[test]
fn of_a_key_that_occurs_twice_the_last_counts_and_an_unknown_one_is_ignored() {
    let body = r#"{"to_user_id":"x","later":[{"a":[1]}],"to_user_id":9,"to_user_id":8,"content":"\u0068i"}"#;
    let (_, to) = refused(&mut logged_in(), 2001, body);
    assert!(to.contains("bad to_user_id"), "one that is of the wrong kind is refused: {to}");
    let body = r#"{"to_user_id":9,"later":[{"a":[1]}],"to_user_id":8,"content":"\u0068i"}"#;
    let (_, command) = ask(&mut logged_in(), 2001, body).unwrap();
    assert_eq!(command, message(None, Peer::User(8), None, None));
}
