//! Every command of the protocol's table, and every refusal of a line that is none.

use crate::{logged_in, take};
use bytes::{Bytes, BytesMut};
use im_wire::text::{Command, Peer, Priority, Secret, ServerConnection, Status, TextLimits};

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn credentials(user: &'static str, password: &'static str) -> (Bytes, Secret) {
    (bytes(user), Secret::new(bytes(password)))
}

fn send(client_msg_id: Option<&str>, to: i64, text: &str) -> Command {
    Command::Send { client_msg_id: client_msg_id.map(str::to_owned), to, text: text.to_owned() }
}

fn send_group(client_msg_id: Option<&str>, group_id: i64, text: &str) -> Command {
    let client_msg_id = client_msg_id.map(str::to_owned);
    Command::SendGroup { client_msg_id, group_id, text: text.to_owned() }
}

fn whisper(peer: Peer, text: &str) -> Command {
    Command::Whisper { peer, text: text.to_owned() }
}

fn recent(peer: Peer, limit: u32, before_seq: Option<i64>) -> Command {
    Command::Recent { peer, limit, before_seq }
}

fn create_group(name: &str, description: &str) -> Command {
    Command::CreateGroup { name: name.to_owned(), description: description.to_owned() }
}

/// What a session that is logged in makes of one line.
fn understood(line: &[u8]) -> Result<Command, String> {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(line);
    connection.receive(b"\n");
    match connection.next_command() {
        Some((_, command)) => Ok(command),
        None => Err(take(&mut connection)),
    }
}

#[test]
fn every_command_is_understood_in_any_case() {
    let (username, password) = credentials("ada", "pass word ");
    let register = Command::Register { username: username.clone(), password: password.clone() };
    for (line, command) in [
        ("REGISTER ada pass word ", register),
        ("LOGIN ada pass word ", Command::Login { username, password }),
        ("LOGOUT", Command::Logout),
        ("SEND 9 hello", send(None, 9, "hello")),
        ("SEND 9  two spaces, one belongs to the text ", {
            send(None, 9, " two spaces, one belongs to the text ")
        }),
        ("SEND 9 你好 \u{1F600}", send(None, 9, "你好 \u{1F600}")),
        ("SENDID a-1 9 hello there", send(Some("a-1"), 9, "hello there")),
        ("PULL", Command::Pull),
        ("ACK 123", Command::Ack { msg_id: 123 }),
        ("HISTORY 9 0 50", Command::History { peer: Peer::User(9), after_seq: 0, limit: 50 }),
        ("HISTORY g4 10 5", Command::History { peer: Peer::Group(4), after_seq: 10, limit: 5 }),
        ("RECENT 9 50", recent(Peer::User(9), 50, None)),
        ("RECENT g4 5 31", recent(Peer::Group(4), 5, Some(31))),
        ("RECENT 9 50 ", recent(Peer::User(9), 50, None)),
        ("READ 9 12", Command::Read { peer: Peer::User(9), seq: 12 }),
        ("READ g4 1 ", Command::Read { peer: Peer::Group(4), seq: 1 }),
        ("CONVERSATIONS", Command::Conversations { limit: None, page: None }),
        ("CONVERSATIONS ", Command::Conversations { limit: None, page: None }),
        ("CONVERSATIONS 20", Command::Conversations { limit: Some(20), page: None }),
        ("ADDFRIEND 9", Command::AddFriend { friend_id: 9 }),
        ("ADDFRIEND 9 ", Command::AddFriend { friend_id: 9 }),
        ("REMOVEFRIEND 9", Command::RemoveFriend { friend_id: 9 }),
        ("GETFRIENDS", Command::GetFriends),
        ("BLOCK 9", Command::Block { uid: 9 }),
        ("UNBLOCK 9 ", Command::Unblock { uid: 9 }),
        ("BLOCKED", Command::Blocked),
        ("CREATEGROUP crew", create_group("crew", "")),
        ("CREATEGROUP crew ", create_group("crew", "")),
        ("CREATEGROUP crew all of us", create_group("crew", "all of us")),
        ("JOINGROUP 4", Command::JoinGroup { group_id: 4 }),
        ("LEAVEGROUP 4", Command::LeaveGroup { group_id: 4 }),
        ("MEMBERS 4", Command::Members { group_id: 4 }),
        ("GROUPS", Command::Groups),
        ("DEVICE mobile:a ", Command::Device { name: "mobile:a".to_owned() }),
        ("DEVICE what ever", Command::Device { name: "what ever".to_owned() }),
        ("DEVICES", Command::Devices),
        ("REVOKE mobile:a", Command::Revoke { device: "mobile:a".to_owned() }),
        ("SENDGROUP 4 hello all", send_group(None, 4, "hello all")),
        ("SENDGROUPID b_2 4 hello all", send_group(Some("b_2"), 4, "hello all")),
        ("EVENTS on", Command::Events { on: true }),
        ("EVENTS off", Command::Events { on: false }),
        ("TYPING 9", Command::Typing { peer: Peer::User(9) }),
        ("TYPING g4", Command::Typing { peer: Peer::Group(4) }),
        ("WHISPER 9 psst, over here", whisper(Peer::User(9), "psst, over here")),
        ("WHISPER g4  a ", whisper(Peer::Group(4), " a ")),
        ("RECEIPTS on", Command::Receipts { on: true }),
        ("RECEIPTS off ", Command::Receipts { on: false }),
        ("RECEIPTS 9", Command::ReceiptsOf { peer: Peer::User(9) }),
        ("RECEIPTS g4 ", Command::ReceiptsOf { peer: Peer::Group(4) }),
        ("PRIORITY low", Command::Priority { priority: Priority::Low }),
        ("PRIORITY URGENT", Command::Priority { priority: Priority::Urgent }),
        ("STATUS busy", Command::Status { status: Status::Busy }),
        ("PRESENCE 9", Command::Presence { uid: 9 }),
        ("HELP", Command::Help),
        ("WHOAMI", Command::WhoAmI),
        ("PING", Command::Ping),
        ("PULL and what the original ignores", Command::Pull),
    ] {
        assert_eq!(understood(line.as_bytes()), Ok(command.clone()), "{line:?}");
        let crlf = format!("{line}\r");
        assert_eq!(understood(crlf.as_bytes()), Ok(command.clone()), "{crlf:?}");
        let (word, arguments) = line.split_at(line.find(' ').unwrap_or(line.len()));
        let lower = word.to_lowercase() + arguments;
        assert_eq!(understood(lower.as_bytes()), Ok(command), "{lower:?}");
    }
}

#[test]
fn every_refusal_of_a_line_has_its_text() {
    for (line, text) in [
        (&b"HELO"[..], "unknown cmd"),
        (b" SEND 9 x", "unknown cmd"),
        (b"SENDX 9 x", "unknown cmd"),
        (b"\xFF\xFE", "unknown cmd"),
        (b"REGISTER", "REGISTER <user> <pwd>"),
        (b"REGISTER ada", "REGISTER <user> <pwd>"),
        (b"REGISTER ada ", "REGISTER <user> <pwd>"),
        (b"REGISTER  secret", "REGISTER <user> <pwd>"),
        (b"LOGIN ada", "LOGIN <user> <pwd>"),
        (b"SEND", "SEND <toUid> <text>"),
        (b"SEND 9", "SEND <toUid> <text>"),
        (b"SEND 9 ", "SEND <toUid> <text>"),
        (b"SEND x", "SEND <toUid> <text>"),
        (b"SEND x hello", "bad toUid"),
        (b"SEND 9x hello", "bad toUid"),
        (b"SEND +9 hello", "bad toUid"),
        (b"SEND -9 hello", "bad toUid"),
        (b"SEND 0 hello", "bad toUid"),
        (b"SEND  9 hello", "bad toUid"),
        (b"SEND 9223372036854775808 hello", "bad toUid"),
        (b"SEND 9 \xC3\x28", "not valid UTF-8"),
        (b"SENDID a 9", "SENDID <client_msg_id> <toUid> <text>"),
        (b"SENDID  9 hello", "bad client_msg_id"),
        (b"SENDID \x07 9 hello", "bad client_msg_id"),
        (b"SENDID \xFF 9 hello", "bad client_msg_id"),
        (b"SENDID a x hello", "bad toUid"),
        (b"ACK", "bad msg_id"),
        (b"ACK x", "bad msg_id"),
        (b"HISTORY 9 0", "HISTORY <uid or g<gid>> <after_seq> <limit>"),
        (b"HISTORY x 0 5", "bad range"),
        (b"HISTORY gx 0 5", "bad range"),
        (b"HISTORY 9 x 5", "bad range"),
        (b"HISTORY 9 -1 5", "bad range"),
        (b"HISTORY 9 0 0", "bad range"),
        (b"HISTORY 9 0 4294967296", "bad range"),
        (b"RECENT", "RECENT <uid or g<gid>> <limit> [before_seq]"),
        (b"RECENT 9", "RECENT <uid or g<gid>> <limit> [before_seq]"),
        (b"RECENT 9 ", "RECENT <uid or g<gid>> <limit> [before_seq]"),
        (b"RECENT x 5", "bad uid"),
        (b"RECENT gx 5", "bad group_id"),
        (b"RECENT 9 0", "bad range"),
        (b"RECENT 9 -5", "bad range"),
        (b"RECENT 9 x", "bad range"),
        (b"RECENT 9 4294967296", "bad range"),
        (b"RECENT 9 5 0", "bad range"),
        (b"RECENT 9 5 -1", "bad range"),
        (b"RECENT 9 5 x", "bad range"),
        (b"RECENT 9 5 9223372036854775808", "bad range"),
        (b"READ", "READ <uid or g<gid>> <seq>"),
        (b"READ 9", "READ <uid or g<gid>> <seq>"),
        (b"READ x 1", "bad uid"),
        (b"READ 0 1", "bad uid"),
        (b"READ -9 1", "bad uid"),
        (b"READ gx 1", "bad group_id"),
        (b"READ g0 1", "bad group_id"),
        (b"READ \xFF 1", "not valid UTF-8"),
        (b"READ 9 ", "bad seq"),
        (b"READ 9 0", "bad seq"),
        (b"READ 9 -1", "bad seq"),
        (b"READ 9 1x", "bad seq"),
        (b"READ 9 9223372036854775808", "bad seq"),
        (b"CONVERSATIONS 0", "bad range"),
        (b"CONVERSATIONS -1", "bad range"),
        (b"CONVERSATIONS x", "bad range"),
        (b"CONVERSATIONS 4294967296", "bad range"),
        (b"EVENTS", "EVENTS on|off"),
        (b"EVENTS yes", "EVENTS on|off"),
        (b"EVENTS on off", "EVENTS on|off"),
        (b"STATUS", "STATUS online|busy|away"),
        (b"STATUS offline", "STATUS online|busy|away"),
        (b"PRESENCE", "bad uid"),
        (b"PRESENCE ada", "bad uid"),
        (b"TYPING", "TYPING <uid or g<gid>>"),
        (b"TYPING ada", "bad uid"),
        (b"TYPING 0", "bad uid"),
        (b"TYPING -9", "bad uid"),
        (b"TYPING g", "bad group_id"),
        (b"TYPING g0", "bad group_id"),
        (b"TYPING 9 10", "bad uid"),
        (b"TYPING \xFF", "not valid UTF-8"),
        (b"WHISPER", "WHISPER <uid or g<gid>> <text>"),
        (b"WHISPER 9", "WHISPER <uid or g<gid>> <text>"),
        (b"WHISPER 9 ", "WHISPER <uid or g<gid>> <text>"),
        (b"WHISPER x psst", "bad uid"),
        (b"WHISPER g0 psst", "bad group_id"),
        (b"WHISPER 9 \xC3\x28", "not valid UTF-8"),
        (b"RECEIPTS", "RECEIPTS on|off|<uid or g<gid>>"),
        (b"RECEIPTS maybe", "bad uid"),
        (b"RECEIPTS -9", "bad uid"),
        (b"RECEIPTS gx", "bad group_id"),
        (b"RECEIPTS \xFF", "not valid UTF-8"),
        (b"PRIORITY", "PRIORITY low|normal|high|urgent"),
        (b"PRIORITY highest", "PRIORITY low|normal|high|urgent"),
        (b"ADDFRIEND", "bad friend_id"),
        (b"ADDFRIEND ada", "bad friend_id"),
        (b"ADDFRIEND 9 10", "bad friend_id"),
        (b"REMOVEFRIEND ada", "bad friend_id"),
        (b"CREATEGROUP", "CREATEGROUP <group_name> [description]"),
        (b"CREATEGROUP  described", "CREATEGROUP <group_name> [description]"),
        (b"CREATEGROUP \xFF", "not valid UTF-8"),
        (b"JOINGROUP", "bad group_id"),
        (b"JOINGROUP crew", "bad group_id"),
        (b"LEAVEGROUP crew", "bad group_id"),
        (b"MEMBERS crew", "bad group_id"),
        (b"SENDGROUP 4", "SENDGROUP <group_id> <text>"),
        (b"SENDGROUP crew hello", "bad group_id"),
        (b"SENDGROUPID a 4", "SENDGROUPID <client_msg_id> <group_id> <text>"),
    ] {
        assert_eq!(understood(line), Err(format!("-ERR {text}\n")), "{}", line.escape_ascii());
    }
    let long_id = format!("SENDID {} 9 hello", "a".repeat(65));
    assert_eq!(understood(long_id.as_bytes()), Err("-ERR bad client_msg_id\n".to_owned()));
    assert_eq!(understood(&[b'x'; 8193]), Err("-ERR line too long\n".to_owned()));
    assert_eq!(understood(b""), Err(String::new()), "an empty line asks nothing");
}

#[test]
fn without_a_log_in_every_other_command_is_refused_before_its_arguments_are_looked_at() {
    for (line, allowed) in [
        ("REGISTER ada secret", true),
        ("LOGIN ada secret", true),
        ("HELP", true),
        ("PING", true),
        ("LOGOUT", false),
        ("SEND 9 hello", false),
        ("SEND", false),
        ("SENDID a 9 hello", false),
        ("PULL", false),
        ("ACK 1", false),
        ("HISTORY 9 0 5", false),
        ("RECENT 9 5", false),
        ("READ 9 1", false),
        ("CONVERSATIONS", false),
        ("EVENTS on", false),
        ("TYPING 9", false),
        ("WHISPER 9 psst", false),
        ("RECEIPTS on", false),
        ("RECEIPTS 9", false),
        ("PRIORITY high", false),
        ("STATUS busy", false),
        ("PRESENCE 9", false),
        ("ADDFRIEND 9", false),
        ("REMOVEFRIEND 9", false),
        ("GETFRIENDS", false),
        ("BLOCK 9", false),
        ("UNBLOCK 9", false),
        ("BLOCKED", false),
        ("CREATEGROUP crew", false),
        ("JOINGROUP 4", false),
        ("LEAVEGROUP 4", false),
        ("MEMBERS 4", false),
        ("GROUPS", false),
        ("SENDGROUP 4 hello", false),
        ("SENDGROUPID a 4 hello", false),
        ("WHOAMI", false),
    ] {
        let mut connection = ServerConnection::new(TextLimits::default());
        connection.receive(format!("{line}\n").as_bytes());
        assert_eq!(connection.next_command().is_some(), allowed, "{line}");
        let refusal = if allowed { "" } else { "-ERR not login\n" };
        assert_eq!(take(&mut connection), refusal, "{line}");
    }
}

#[test]
fn what_does_not_fit_into_a_line_is_not_written() {
    let refused = |command: Command| {
        let mut out = BytesMut::from(&b"before"[..]);
        let error = command.encode(&mut out).expect_err("refused");
        assert_eq!(out, b"before"[..]);
        error.to_string()
    };
    let (username, password) = credentials("ada lovelace", "x");
    assert_eq!(
        refused(Command::Login { username, password }),
        "the user name must not contain a space"
    );
    assert_eq!(refused(send(None, 9, "a\nLOGOUT")), "the text must not contain a line break");
    assert_eq!(refused(send(None, 9, "a\r")), "the text must not contain a line break");
    assert_eq!(refused(send(None, 9, "")), "the text must not be empty");
    assert_eq!(refused(send(None, 0, "a")), "the receiver must be a number above 0");
    assert_eq!(
        refused(send(Some("a b"), 9, "a")),
        "a client message id is 1 to 64 printable ASCII characters"
    );
}

#[test]
fn a_password_does_not_show_in_debug_output() {
    let (username, password) = credentials("ada", "hunter2");
    let shown = format!("{:?}", Command::Login { username, password });
    assert!(!shown.contains("hunter2"), "{shown}");
}
