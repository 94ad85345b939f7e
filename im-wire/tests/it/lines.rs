//! Every line that a server writes, byte for byte, and what a client reads in it.

use crate::{logged_in, take};
use im_wire::text::{
    BadServerLine, Conv, Event, Hist, Peer, Priority, Push, Receipt, Reply, ServerConnection,
    ServerLine, Status, TextLimits, failure,
};
use std::borrow::Cow;

fn conversations(listed: Vec<Conv<'static>>) -> Reply {
    Reply::Conversations { listed, next_page: None }
}

fn receipt(group_id: Option<i64>, delivered: Option<i64>, read: Option<i64>) -> Receipt {
    Receipt { from: 7, group_id, delivered, read }
}

#[test]
fn every_reply_has_its_bytes() {
    let hist = |seq, text: &'static str| Hist {
        seq,
        msg_id: 60 + seq,
        from: 9,
        ts_ms: 1_700_000_000_000,
        text: Cow::Borrowed(text),
    };
    let conv = |peer, unread, text: &'static str| Conv {
        peer,
        head: 12,
        read: 9,
        unread,
        last_msg_id: 61,
        from: 9,
        ts_ms: 1_700_000_000_000,
        text: Cow::Borrowed(text),
    };
    for (reply, bytes) in [
        (Reply::Uid(7), "+OK uid=7\n"),
        (Reply::LoggedOut, "+OK logout success\n"),
        (Reply::MsgId(61), "+OK msg_id=61\n"),
        (Reply::GroupMsgId(62), "+OK group_msg_id=62\n"),
        (Reply::PullDone, "+OK pull_done\n"),
        (Reply::Acked, "+OK acked\n"),
        (Reply::History(vec![]), "+OK history_done\n"),
        (
            Reply::History(vec![hist(1, "a"), hist(2, "b\nc")]),
            "HIST seq=1 id=61 from=9 ts=1700000000000 text=a\n\
             HIST seq=2 id=62 from=9 ts=1700000000000 text=b\\x0Ac\n\
             +OK history_done\n",
        ),
        (Reply::Read, "+OK read\n"),
        (conversations(vec![]), "+OK conversations_done\n"),
        (
            conversations(vec![
                conv(Peer::User(9), 3, "b\nc"),
                conv(Peer::Group(4), 99, ""),
                conv(Peer::User(9), 100, "d"),
            ]),
            "CONV peer=9 head=12 read=9 unread=3 last_id=61 from=9 ts=1700000000000 text=b\\x0Ac\n\
             CONV peer=g4 head=12 read=9 unread=99 last_id=61 from=9 ts=1700000000000 text=\n\
             CONV peer=9 head=12 read=9 unread=99+ last_id=61 from=9 ts=1700000000000 text=d\n\
             +OK conversations_done\n",
        ),
        (Reply::Events(true), "+OK events on\n"),
        (Reply::Events(false), "+OK events off\n"),
        (Reply::Status(Status::Busy), "+OK status busy\n"),
        (Reply::Presence(7, Status::Offline), "+OK presence uid=7 status=offline\n"),
        (Reply::Typing, "+OK typing\n"),
        (Reply::Whispered, "+OK whispered\n"),
        (Reply::MsgIdSeq(61, 4), "+OK msg_id=61 seq=4\n"),
        (Reply::GroupMsgIdSeq(62, 5), "+OK group_msg_id=62 seq=5\n"),
        (Reply::Receipts(true), "+OK receipts on\n"),
        (Reply::Receipts(false), "+OK receipts off\n"),
        (
            Reply::ReceiptsOf(vec![receipt(None, Some(3), Some(1)), receipt(Some(4), None, None)]),
            "RECEIPT from=7 delivered=3 read=1\nRECEIPT from=7 group=4\n+OK receipts_done\n",
        ),
        (Reply::Priority(Priority::Low), "+OK priority low\n"),
        (Reply::FriendAdded, "+OK friend added\n"),
        (Reply::FriendRemoved, "+OK friend removed\n"),
        (Reply::Friends(vec![1, 2, 3]), "+OK friends: 1,2,3\n"),
        (Reply::Friends(vec![]), "+OK friends: \n"),
        (Reply::UserBlocked, "+OK user blocked\n"),
        (Reply::UserUnblocked, "+OK user unblocked\n"),
        (Reply::Blocked(vec![2, 7]), "+OK blocked: 2,7\n"),
        (Reply::err(failure::BLOCKED), "-ERR blocked\n"),
        (Reply::GroupId(4), "+OK group_id=4\n"),
        (Reply::JoinedGroup, "+OK joined group\n"),
        (Reply::LeftGroup, "+OK left group\n"),
        (Reply::Members(vec![7, 9]), "+OK members: 7,9\n"),
        (Reply::Groups(vec![4]), "+OK groups: 4\n"),
        (Reply::Device("mobile:a".to_owned()), "+OK device mobile:a\n"),
        (Reply::Devices(vec![]), "+OK devices: \n"),
        (
            Reply::Devices(vec![("mobile:a".to_owned(), false), ("text".to_owned(), true)]),
            "+OK devices: mobile:a offline, text online\n",
        ),
        (Reply::Revoked, "+OK revoked\n"),
        (Reply::Pong, "+OK pong\n"),
        (
            Reply::Help,
            "+OK commands: REGISTER LOGIN TOKEN LOGOUT SEND SENDID PULL ACK HISTORY RECENT READ \
             CONVERSATIONS ADDFRIEND REMOVEFRIEND GETFRIENDS BLOCK UNBLOCK BLOCKED CREATEGROUP \
             JOINGROUP LEAVEGROUP MEMBERS GROUPS SENDGROUP SENDGROUPID DEVICE DEVICES REVOKE EVENTS \
             TYPING WHISPER RECEIPTS PRIORITY STATUS PRESENCE WHOAMI PING HELP\n",
        ),
        (Reply::err(failure::AUTH_BAD_CRED), "-ERR auth bad cred\n"),
        (Reply::err(failure::AUTH_TOO_MANY_ATTEMPTS), "-ERR auth too many attempts\n"),
        (Reply::err(failure::NO_SUCH_USER), "-ERR no such user\n"),
        (Reply::err(failure::NOT_A_MEMBER), "-ERR not a member\n"),
        (Reply::err(failure::TEXT_TOO_LONG), "-ERR text too long\n"),
        (Reply::err(failure::SLOW_DOWN), "-ERR slow down\n"),
        (Reply::err(failure::CONFLICT), "-ERR conflict\n"),
        (Reply::err(failure::BAD_RANGE), "-ERR bad range\n"),
        (Reply::err("forged\r\n+OK uid=1"), "-ERR forged\\x0D\\x0A+OK uid=1\n"),
    ] {
        let mut connection = logged_in(TextLimits::default());
        connection.receive(b"PING\n");
        let (slot, _) = connection.next_command().expect("the ping");
        connection.reply(slot, reply);
        assert_eq!(take(&mut connection), bytes);
    }
}

#[test]
fn every_push_has_its_bytes_and_reads_back() {
    let direct = Push {
        msg_id: 61,
        from: 9,
        to: None,
        ts_ms: 1_700_000_000_000,
        group_id: None,
        text: Cow::Borrowed("are you there?  text=1"),
    };
    for (push, line) in [
        (direct.clone(), "MSG id=61 from=9 ts=1700000000000 text=are you there?  text=1\n"),
        (
            Push { group_id: Some(4), ..direct.clone() },
            "MSG id=61 from=9 ts=1700000000000 group=4 text=are you there?  text=1\n",
        ),
        (
            Push { to: Some(7), ..direct.clone() },
            "MSG id=61 from=9 to=7 ts=1700000000000 text=are you there?  text=1\n",
        ),
        (
            Push { text: Cow::Borrowed(""), ..direct.clone() },
            "MSG id=61 from=9 ts=1700000000000 text=\n",
        ),
    ] {
        assert_eq!(String::from_utf8_lossy(push.encode().as_bytes()), line);
        assert_eq!(ServerLine::parse(line.trim_end_matches('\n').as_bytes()), {
            Ok(ServerLine::Push(push))
        });
    }
}

#[test]
fn a_client_reads_every_kind_of_line_and_skips_fields_it_does_not_know() {
    for (event, line) in [
        (Event::Typing { from: 7, group_id: None }, "TYPING from=7\n"),
        (Event::Typing { from: 7, group_id: Some(4) }, "TYPING from=7 group=4\n"),
        (Event::Presence { uid: 7, status: Status::Away }, "PRESENCE uid=7 status=away\n"),
        (Event::Receipt(receipt(None, Some(3), None)), "RECEIPT from=7 delivered=3\n"),
        (Event::Receipt(receipt(Some(4), None, Some(2))), "RECEIPT from=7 group=4 read=2\n"),
    ] {
        assert_eq!(event.encode().as_bytes(), line.as_bytes());
        for line in [line.trim_end().to_owned(), line.replace('\n', " new=field")] {
            assert_eq!(ServerLine::parse(line.as_bytes()), Ok(ServerLine::Event(event.clone())));
        }
    }
    for (group_id, line) in
        [(None, "WHISPER from=7 text="), (Some(4), "WHISPER from=7 group=4 text=")]
    {
        let event = |text: &str| Event::Whisper { from: 7, group_id, text: text.to_owned() };
        let written = format!("{line}a\\x0A+OK b\n");
        assert_eq!(event("a\n+OK b").encode().as_bytes(), written.as_bytes(), "one line");
        let read = ServerLine::parse(format!("{line} from=9 text=x").as_bytes());
        assert_eq!(read, Ok(ServerLine::Event(event(" from=9 text=x"))));
    }
    for bad in [
        "TYPING",
        "WHISPER from=7",
        "WHISPER text=x",
        "RECEIPT",
        "RECEIPT from=7 delivered=x",
        "RECEIPT from=7 group=x",
        "TYPING from=",
        "TYPING from=7 group=x",
        "PRESENCE uid=7",
        "PRESENCE uid=7 status=x",
        "typing from=7",
    ] {
        assert_eq!(ServerLine::parse(bad.as_bytes()), Err(BadServerLine), "{bad}");
    }
    let ok = |text: &str| Ok(ServerLine::Ok(text.to_owned()));
    assert_eq!(ServerLine::parse(b"+OK uid=7"), ok("uid=7"));
    assert_eq!(ServerLine::parse(b"+OK friends: "), ok("friends: "));
    assert_eq!(ServerLine::parse(b"+OK"), ok(""));
    assert_eq!(ServerLine::parse(b"-ERR not login"), Ok(ServerLine::Err("not login".to_owned())));
    assert_eq!(ServerLine::parse(b"-ERR closing logged in elsewhere"), {
        Ok(ServerLine::Closing("logged in elsewhere".to_owned()))
    });
    let Ok(ServerLine::Push(push)) =
        ServerLine::parse(b"MSG id=1 mood=fine from=2 new ts=3 seq=9 text=hi group=5")
    else {
        panic!("a push with fields of the future");
    };
    assert_eq!((push.msg_id, push.from, push.ts_ms, push.group_id), (1, 2, 3, None));
    assert_eq!(push.text, "hi group=5");
    let Ok(ServerLine::Hist(hist)) = ServerLine::parse(b"HIST seq=4 id=1 from=2 ts=3 text=") else {
        panic!("a line of history");
    };
    assert_eq!((hist.seq, hist.msg_id, &*hist.text), (4, 1, ""));
    for bad in [
        &b""[..],
        b"OK uid=7",
        b"MSG",
        b"MSG id=1 from=2 ts=3",
        b"MSG id=x from=2 ts=3 text=hi",
        b"MSG from=2 ts=3 text=hi",
        b"HIST id=1 from=2 ts=3 text=hi",
        b"HTTP/1.1 400 Bad Request",
    ] {
        assert!(ServerLine::parse(bad).is_err(), "{}", bad.escape_ascii());
    }
}

#[test]
fn the_first_and_the_last_line_of_a_connection() {
    let mut connection = ServerConnection::new(TextLimits::default());
    connection.welcome();
    assert_eq!(take(&mut connection), "+OK welcome. Commands: REGISTER/LOGIN/SEND/PULL\n");
    connection.close("logged in elsewhere");
    assert_eq!(take(&mut connection), "-ERR closing logged in elsewhere\n");
}

#[test]
fn a_list_reads_back_as_it_was_written_and_without_a_field_it_is_no_line() {
    let whole = "CONV peer=g4 head=12 read=9 unread=99+ last_id=61 from=9 ts=5 text=a b";
    let expected = Conv {
        peer: Peer::Group(4),
        head: 12,
        read: 9,
        unread: 100,
        last_msg_id: 61,
        from: 9,
        ts_ms: 5,
        text: Cow::Borrowed("a b"),
    };
    assert_eq!(ServerLine::parse(whole.as_bytes()), Ok(ServerLine::Conv(expected)));
    for field in
        ["peer=g4 ", "head=12 ", "read=9 ", "unread=99+ ", "last_id=61 ", "from=9 ", "ts=5 "]
    {
        let line = whole.replace(field, "");
        assert!(ServerLine::parse(line.as_bytes()).is_err(), "{line}");
    }
    for (field, bad) in
        [("peer=g4", "peer=x"), ("unread=99+", "unread=100+"), ("head=12", "head=x")]
    {
        let line = whole.replace(field, bad);
        assert!(ServerLine::parse(line.as_bytes()).is_err(), "{line}");
    }
}
