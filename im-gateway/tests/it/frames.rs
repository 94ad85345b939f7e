//! Binary frames at the gateway: who gets in, for how long, and that their clients meet those of text
//! lines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::client::SOON;
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

/// A client that speaks frames.
pub(crate) struct Frames {
    stream: TcpStream,
}

impl Frames {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap() }
    }

    pub(crate) async fn send(&mut self, kind: u16, body: &Value) {
        self.stream.write_all(&frame(kind, body)).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<(u16, Value)> {
        let read = async {
            let mut header = [0; 8];
            if self.stream.read_exact(&mut header).await.is_err() {
                return None;
            }
            let length = u32::from_be_bytes(header[..4].try_into().unwrap());
            let mut body = vec![0; length as usize - 8];
            self.stream.read_exact(&mut body).await.unwrap();
            let kind = u16::from_be_bytes([header[4], header[5]]);
            Some((kind, serde_json::from_slice(&body).unwrap()))
        };
        tokio::time::timeout(SOON, read).await.expect("a frame in time")
    }

    pub(crate) async fn ask(&mut self, kind: u16, body: &Value) -> (u16, Value) {
        self.send(kind, body).await;
        self.next().await.expect("an answer")
    }

    /// The last frame's reason; nothing comes after it.
    pub(crate) async fn closing(&mut self) -> (u64, String) {
        let (kind, body) = self.next().await.expect("the last frame");
        assert_eq!(kind, 9001, "{body}");
        assert_eq!(self.next().await, None);
        (body["code"].as_u64().unwrap(), body["message"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn frame(kind: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = u32::try_from(8 + body.len()).unwrap();
    let [high, low] = kind.to_be_bytes();
    [&length.to_be_bytes()[..], &[high, low, 1, 0], body.as_bytes()].concat()
}

fn credentials(name: &str) -> Value {
    json!({"username": name, "password": "password", "id": "c"})
}

/// Registers over frames.
pub(crate) async fn register(system: &System, name: &str) -> Frames {
    let mut client = Frames::connect(system.frames()).await;
    let (kind, answer) = client.ask(1005, &credentials(name)).await;
    assert_eq!((kind, &answer["code"]), (1006, &json!(0)), "{answer}");
    client
}

#[tokio::test]
async fn clients_of_frames_and_of_text_lines_talk() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let mut bob = register(&system, "bob").await;
    assert_eq!(ada.ask("SEND 2 hello").await, "+OK msg_id=1");
    let entry = system.fakes.state().timelines["c2c_1_2"][0].clone();
    system.push(&[&entry], &[1, 2]).await;
    let (kind, shown) = bob.next().await.unwrap();
    assert_eq!((kind, &shown["content"], &shown["seq"]), (2001, &json!("hello"), &json!(1)));
    assert_eq!((&shown["message_id"], &shown["from_user_id"]), (&json!("1"), &json!(1)));

    let message = json!({"to_user_id": 1, "content": "hi\nada", "message_id": "x", "id": 5});
    let (kind, sent) = bob.ask(2001, &message).await;
    assert_eq!((kind, &sent["seq"], &sent["id"]), (2003, &json!(2), &json!(5)), "{sent}");
    assert_eq!((&sent["client_message_id"], &sent["session_id"]), (&json!("x"), &json!("c2c_1_2")));
    let entry = system.fakes.state().timelines["c2c_1_2"][1].clone();
    system.push(&[&entry], &[1]).await;
    let line = ada.line().await;
    assert!(line.starts_with("MSG id=2 from=2 ") && line.ends_with("text=hi\\x0Aada"), "{line}");
    // What bob has sent is not shown to him: the heartbeat's answer is the next frame.
    assert_eq!(bob.ask(9002, &json!({"n": 1})).await, (9003, json!({"n": 1})));
}

#[tokio::test]
async fn a_session_is_the_device_that_its_log_in_names_and_a_token_brings_its_own() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    let (_, me) = bob.ask(4001, &json!({"op": "whoami"})).await;
    assert_eq!(
        me["data"],
        json!({"user_id": 1, "username": "bob", "device": "desktop", "role": "user"})
    );
    let (kind, refused) = bob.ask(1001, &credentials("bob")).await;
    assert_eq!((kind, &refused["code"]), (1002, &json!(1003)));

    let mut other = Frames::connect(system.frames()).await;
    let mut log_in = credentials("bob");
    log_in["client_info"] = json!({"platform": "ios", "device_id": "bad id"});
    let (_, refused) = other.ask(1001, &log_in).await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!(4001), &json!("c")));
    log_in["client_info"] = json!({"platform": "ios", "device_id": "a"});
    let (_, answer) = other.ask(1001, &log_in).await;
    assert_eq!(answer["data"]["device"], "mobile:a", "{answer}");
    log_in["password"] = json!("wrong");
    let mut third = Frames::connect(system.frames()).await;
    let (_, refused) = third.ask(1001, &log_in).await;
    assert_eq!((&refused["code"], &refused["message"]), (&json!(1002), &json!("auth bad cred")));
    system.fakes.state().worthless.insert("nonsense".to_owned());
    let token = json!({"auth_type": "token", "token": "nonsense"});
    assert_eq!(third.ask(1001, &token).await.1["code"], 1004);
    let (kind, out) = other.ask(1003, &json!({"id": 9})).await;
    assert_eq!((kind, &out["id"]), (1004, &json!(9)));
    assert_eq!(other.closing().await, (1004, "closing logged out".to_owned()));
}

#[tokio::test]
async fn who_does_not_log_in_or_says_nothing_is_told_and_closed() {
    let system = System::with(|config| config.frames.login_timeout_ms = 300).await;
    let mut nobody = Frames::connect(system.frames()).await;
    assert_eq!(nobody.closing().await, (3001, "closing login timeout".to_owned()));
    let system = System::with(|config| config.frames.idle_ms = 1_000).await;
    let mut bob = register(&system, "bob").await;
    assert_eq!(bob.closing().await, (5003, "closing idle".to_owned()));
}

#[tokio::test]
async fn nobody_stays_by_always_logging_in() {
    let system = System::with(|config| config.frames.login_timeout_ms = 300).await;
    let mut nobody = Frames::connect(system.frames()).await;
    let wrong = json!({"username": "nobody", "password": "password"});
    // Two at any time: when one is answered the next is begun.
    nobody.send(1001, &wrong).await;
    loop {
        nobody.send(1001, &wrong).await;
        let (kind, answer) = nobody.next().await.expect("an answer");
        if kind == 9001 {
            assert_eq!(answer["message"], "closing login timeout");
            break;
        }
        assert_eq!((kind, &answer["code"]), (1002, &json!(1002)));
    }
}

/// Its other sessions go on, and so does what it is refreshed with.
#[tokio::test]
async fn a_token_is_the_client_s_whether_or_not_its_session_can_begin() {
    let system = System::start().await;
    register(&system, "bob").await;
    let token = json!({"auth_type": "token", "token": "token-bob", "id": "t"});
    let mut client = Frames::connect(system.frames()).await;
    for (status, code) in [
        (mprpc::Status::resource_exhausted("too many"), 1006),
        (mprpc::Status::unavailable("down"), 5003),
    ] {
        system.fakes.fault("bind_route", Fault::Fails(1, status));
        let (kind, refused) = client.ask(1001, &token).await;
        assert_eq!((kind, &refused["code"]), (1002, &json!(code)), "{refused}");
    }
    let (_, begun) = client.ask(1001, &token).await;
    assert_eq!((&begun["code"], &begun["data"]["user_id"]), (&json!(0), &json!(1)));
    assert!(!system.asked().iter().any(|asked| matches!(asked, Asked::Revoke(_))));
}

#[tokio::test]
async fn a_failure_of_ours_is_not_the_token_s() {
    let system = System::start().await;
    register(&system, "bob").await;
    let token = json!({"auth_type": "token", "token": "token-bob"});
    let password = credentials("bob");
    for (code, expected) in [(mpim_proto::Code::Internal, 5003), (mpim_proto::Code::Invalid, 1004)]
    {
        let result = mpim_proto::Result { code: code.into(), msg: "the disk is full".to_owned() };
        system.fakes.state().verdict = Some(result);
        let mut client = Frames::connect(system.frames()).await;
        let (_, refused) = client.ask(1001, &token).await;
        assert_eq!(refused["code"], expected, "{refused}");
        let (_, refused) = client.ask(1001, &password).await;
        assert_eq!(refused["code"] == 5003, expected == 5003, "{refused}");
    }
    system.fakes.state().verdict = None;
    let unimplemented = mprpc::Status::unimplemented("the original has none");
    system.fakes.fault("verify_token", Fault::Fails(1, unimplemented));
    let (_, refused) = Frames::connect(system.frames()).await.ask(1001, &token).await;
    assert_eq!((&refused["code"], &refused["status"]), (&json!(4002), &json!("UNIMPLEMENTED")));
}

#[tokio::test]
async fn whoever_says_no_more_is_still_told_why_it_ends() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    bob.send(2001, &json!({"to_user_id": 1, "content": "x"})).await;
    let sent = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Send { .. }));
    system.until("the message is under way", sent).await;
    bob.stream.write_all(&[0; 8]).await.unwrap();
    bob.stream.shutdown().await.unwrap();
    gate.add_permits(1);
    assert_eq!(bob.next().await.unwrap().1["code"], 0);
    assert_eq!(bob.closing().await, (4001, "closing bad length".to_owned()));
}

/// In the bytes that one call may carry there is room for each of them, but not for all.
#[tokio::test]
async fn long_messages_are_refused_each_for_itself_and_a_short_one_among_them_is_sent() {
    let system = System::with(|config| config.session.sends_bytes_max = 16 << 20).await;
    let mut bob = register(&system, "bob").await;
    system.fakes.state().text_bytes_max = 4_096;
    let long = json!({"to_user_id": 1, "content": "x".repeat(60_000), "id": "long"});
    let short = json!({"to_user_id": 1, "content": "x", "id": "short"});
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    for _ in 0..100 {
        bob.send(2001, &long).await;
    }
    bob.send(2001, &short).await;
    gate.add_permits(1_000);
    for _ in 0..100 {
        let (_, refused) = bob.next().await.unwrap();
        assert_eq!((&refused["code"], &refused["id"]), (&json!(2003), &json!("long")), "{refused}");
    }
    let (_, sent) = bob.next().await.unwrap();
    assert_eq!((&sent["code"], &sent["id"]), (&json!(0), &json!("short")), "{sent}");
}

#[tokio::test]
async fn whoever_has_many_bytes_waiting_to_be_sent_is_not_read_from() {
    let system = System::with(|config| config.session.sends_bytes_max = 1_000).await;
    let mut bob = register(&system, "bob").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    let text = json!({"to_user_id": 1, "content": "x".repeat(600)});
    let text = frame(2001, &text);
    let frames = [&text[..], &text, &text, &frame(9002, &json!({}))].concat();
    bob.stream.write_all(&frames).await.unwrap();
    let sent = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Send { .. }));
    system.until("what there is room for is under way", sent).await;
    gate.add_permits(100);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(bob.next().await.unwrap().0);
    }
    assert_eq!(kinds[..2], [2003, 2003], "the heartbeat was not read before: {kinds:?}");
}

/// It is not read from, since what it asked for is not there yet.
#[tokio::test]
async fn whoever_speaks_and_is_not_read_from_is_not_silent() {
    const IDLE: Duration = Duration::from_secs(1);
    let system = System::with(|config| config.frames.idle_ms = 1_000).await;
    let mut bob = register(&system, "bob").await;
    system.fakes.fault("list_conversations", Fault::Waits(Arc::new(Semaphore::new(0))));
    let asked = [frame(3002, &json!({})), frame(3002, &json!({}))].concat();
    bob.stream.write_all(&asked).await.unwrap();
    let listed =
        |state: &State| state.asked.iter().any(|it| matches!(it, Asked::List { user_id: 1 }));
    system.until("the first is under way", listed).await;
    let spoke_at = Instant::now();
    bob.send(9002, &json!({})).await;
    assert_eq!(bob.closing().await, (5003, "closing idle".to_owned()));
    assert!(spoke_at.elapsed() >= IDLE, "what it said last did not count");
}

#[tokio::test]
async fn one_connection_more_than_the_bound_is_told_so_and_text_lines_have_their_own() {
    let system = System::with(|config| config.frames.connections_max = 1).await;
    let _first = register(&system, "bob").await;
    let mut second = Frames::connect(system.frames()).await;
    assert_eq!(second.closing().await, (5003, "closing server full".to_owned()));
    system.connect().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_connection_goes_on_where_it_can() {
    let system = System::start().await;
    let mut bob = Frames::connect(system.frames()).await;
    let (kind, refused) = bob.ask(2001, &json!({"to_user_id": 1, "content": "x", "id": 1})).await;
    assert_eq!((kind, &refused["code"], &refused["id"]), (9001, &json!(3001), &json!(1)));
    let mut bob = register(&system, "bob").await;
    assert_eq!(bob.ask(2001, &json!({"to_user_id": "1"})).await.1["code"], 4001);
    assert_eq!(bob.ask(7, &json!({})).await.1["code"], 4002);
    assert_eq!(bob.ask(4001, &json!({"op": "friends"})).await.0, 4002);
    bob.stream.write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(bob.closing().await, (2003, "closing too big".to_owned()));
    // Cut off in the middle: nobody is told, and nothing is left of it.
    let mut cut = Frames::connect(system.frames()).await;
    cut.stream.write_all(&[0, 0, 0, 99, 3]).await.unwrap();
    cut.stream.shutdown().await.unwrap();
    assert_eq!(cut.next().await, None);
}

#[tokio::test]
async fn a_second_log_in_of_the_device_closes_the_first_with_its_reason() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    let route = system.fakes.state().routes[&(1, "desktop".to_owned())].clone();
    let (boot_id, session_id) = (route.boot_id, route.session_id);
    let reason = "logged in elsewhere".to_owned();
    system
        .close_all(mpim_proto::CloseSessionReq {
            boot_id,
            session_id,
            reason,
            ..Default::default()
        })
        .await;
    assert_eq!(bob.closing().await, (1006, "closing logged in elsewhere".to_owned()));
}

#[tokio::test]
async fn with_acks_only_what_the_client_confirms_is_delivered() {
    let mut system = System::start().await;
    system.register("ada").await;
    let mut client = Frames::connect(system.frames()).await;
    let mut log_in = credentials("bob");
    log_in["acks"] = json!(true);
    client.ask(1005, &log_in).await;
    let entries: Vec<_> = (0..2).map(|n| system.store("c2c_1_2", 1, &n.to_string())).collect();
    system.push(&[&entries[0], &entries[1]], &[2]).await;
    client.next().await.unwrap();
    let (_, second) = client.next().await.unwrap();
    client.send(2003, &json!({"kind": "received", "message_id": second["message_id"]})).await;
    system.cursor(2, "desktop c2c_1_2", 2).await;
    let advanced = |asked: Asked| match asked {
        Asked::Advance { user_id: 2, moves } => Some(moves),
        _ => None,
    };
    let advanced: Vec<_> = system.asked().into_iter().filter_map(advanced).collect();
    assert_eq!(advanced, [[("c2c_1_2".to_owned(), 2)]], "nothing was written before");
}
