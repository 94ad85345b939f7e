//! What requests are answered with: types and bodies, as frames show them.

use crate::frames::{ada, ask, connection, logged_in, take};
use im_wire::{
    Conv, Group, Hist, LoggedIn, Peer, Receipt, Refreshes, Reply, Role, Secret, Status, User,
};
use std::time::Duration;

#[test]
fn every_answer_has_its_body() {
    let hist = Hist { seq: 4, msg_id: 61, from: 8, ts_ms: 5, text: "a\"b".into() };
    let conv = Conv {
        peer: Peer::User(8),
        head: 12,
        read: 10,
        unread: 2,
        last_msg_id: 61,
        from: 8,
        ts_ms: 5,
        text: "hel".into(),
    };
    let goes_on = LoggedIn {
        role: Role::Bot,
        expires_at_ms: 900_999,
        refreshes: Some(Refreshes { token: Secret::new("s"), expires_at_ms: 1_000_000 }),
        ..ada()
    };
    let crew = Group {
        group_id: 3,
        name: "crew".to_owned(),
        description: String::new(),
        creator_id: 7,
        created_at_ms: 5,
    };
    let gone = Conv { peer: Peer::Group(3), last_msg_id: 0, from: 0, ts_ms: 0, ..conv.clone() };
    let receipt = Receipt { from: 8, group_id: None, delivered: Some(12), read: Some(10) };
    let golden: Vec<(u16, &str, Reply, u16, &str)> = vec![
        (
            2001,
            r#"{"id":"a7","message_id":"0d","to_user_id":8,"content":"hi"}"#,
            Reply::MsgIdSeq(61, 12),
            2003,
            r#"{"code":0,"message":"success","kind":"sent","message_id":"61","client_message_id":"0d","session_id":"c2c_7_8","seq":12,"id":"a7"}"#,
        ),
        (
            2002,
            r#"{"group_id":3,"content":"hi"}"#,
            Reply::GroupMsgIdSeq(61, 1),
            2003,
            r#"{"code":0,"message":"success","kind":"sent","message_id":"61","session_id":"grp_3","seq":1}"#,
        ),
        (
            2001,
            r#"{"id":7,"to_user_id":8,"content":"hi"}"#,
            Reply::err("no such user"),
            9001,
            r#"{"code":1001,"message":"no such user","status":"NOT_FOUND","id":7,"type":2001}"#,
        ),
        (
            2004,
            r#"{"to_user_id":8}"#,
            Reply::slow_down(Duration::from_millis(250)),
            9001,
            r#"{"code":5003,"message":"slow down","status":"RESOURCE_EXHAUSTED","type":2004,"retry_after_ms":250}"#,
        ),
        (
            2003,
            r#"{"id":1,"kind":"received","message_id":"61"}"#,
            Reply::Acked,
            2003,
            r#"{"code":0,"message":"success","kind":"received","id":1}"#,
        ),
        (
            3001,
            r#"{"user_id":8}"#,
            Reply::PresenceOf(vec![(8, Status::Away)]),
            3001,
            r#"{"code":0,"message":"success","user_id":8,"status":3}"#,
        ),
        (
            3001,
            r#"{"status":2}"#,
            Reply::Status(Status::Busy),
            3001,
            r#"{"code":0,"message":"success","user_id":7,"status":2}"#,
        ),
        (
            3002,
            "{}",
            Reply::Conversations { listed: vec![conv, gone], next_page: Some("p".to_owned()) },
            3003,
            r#"{"code":0,"message":"success","data":{"conversations":[{"session_id":"c2c_7_8","to_user_id":8,"head_seq":12,"read_seq":10,"unread":2,"last_message":{"message_id":"61","from_user_id":8,"content":"hel","timestamp":5}},{"session_id":"grp_3","group_id":3,"head_seq":12,"read_seq":10,"unread":2,"last_message":null}],"next_page":"p"}}"#,
        ),
        (
            3004,
            r#"{"to_user_id":8}"#,
            Reply::History(vec![hist]),
            3005,
            r#"{"code":0,"message":"success","data":{"session_id":"c2c_7_8","messages":[{"message_id":"61","session_id":"c2c_7_8","from_user_id":8,"to_user_id":7,"type":0,"content":"a\"b","timestamp":5,"extra":{},"seq":4}]}}"#,
        ),
        (
            3004,
            r#"{"to_user_id":8,"limit":9999}"#,
            Reply::err("bad range"),
            3005,
            r#"{"code":4001,"message":"bad range","status":"OUT_OF_RANGE"}"#,
        ),
        (
            4001,
            r#"{"op":"whoami","id":"w"}"#,
            Reply::Uid(7),
            4002,
            r#"{"op":"whoami","code":0,"message":"success","data":{"user_id":7,"username":"ada","device":"web:k3v9","role":"user"},"id":"w"}"#,
        ),
        (
            4001,
            r#"{"op":"add_friend","user_id":8}"#,
            Reply::FriendAdded,
            4002,
            r#"{"op":"add_friend","code":0,"message":"friend added","data":{}}"#,
        ),
        (
            4001,
            r#"{"op":"friends"}"#,
            Reply::Friends(vec![8, 9]),
            4002,
            r#"{"op":"friends","code":0,"message":"success","data":{"user_ids":[8,9]}}"#,
        ),
        (
            4001,
            r#"{"op":"create_group","name":"crew"}"#,
            Reply::GroupId(3),
            4002,
            r#"{"op":"create_group","code":0,"message":"success","data":{"group_id":3}}"#,
        ),
        (
            4001,
            r#"{"op":"group","group_id":3}"#,
            Reply::Group(Box::new(crew)),
            4002,
            r#"{"op":"group","code":0,"message":"success","data":{"group_id":3,"name":"crew","description":"","creator_id":7,"created_at":5}}"#,
        ),
        (
            4001,
            r#"{"op":"users","user_ids":[8,9]}"#,
            Reply::Users(vec![User { user_id: 8, username: "bob".to_owned() }]),
            4002,
            r#"{"op":"users","code":0,"message":"success","data":{"users":[{"user_id":8,"username":"bob","nickname":"bob"}]}}"#,
        ),
        (
            4001,
            r#"{"op":"presence","user_ids":[8,9]}"#,
            Reply::PresenceOf(vec![(8, Status::Away), (9, Status::Offline)]),
            4002,
            r#"{"op":"presence","code":0,"message":"success","data":{"presence":[{"user_id":8,"status":3},{"user_id":9,"status":0}]}}"#,
        ),
        (
            4001,
            r#"{"op":"join_group","group_id":3}"#,
            Reply::err("already in group"),
            4002,
            r#"{"op":"join_group","code":4001,"message":"already in group","status":"ALREADY_EXISTS"}"#,
        ),
        (
            4001,
            r#"{"op":"receipts","to_user_id":8}"#,
            Reply::ReceiptsOf(vec![receipt]),
            4002,
            r#"{"op":"receipts","code":0,"message":"success","data":{"receipts":[{"user_id":8,"delivered_seq":12,"read_seq":10}]}}"#,
        ),
        (
            4001,
            r#"{"op":"devices"}"#,
            Reply::Devices(vec![("text".to_owned(), false), ("web:k3v9".to_owned(), true)]),
            4002,
            r#"{"op":"devices","code":0,"message":"success","data":{"devices":[{"name":"text","online":false,"current":false},{"name":"web:k3v9","online":true,"current":true}]}}"#,
        ),
        (
            4001,
            r#"{"op":"set_events","on":false}"#,
            Reply::Events(false),
            4002,
            r#"{"op":"set_events","code":0,"message":"success","data":{"on":false}}"#,
        ),
        (
            1007,
            r#"{"refresh_token":"r","id":1}"#,
            Reply::Granted(Box::new(goes_on)),
            1008,
            r#"{"code":0,"message":"success","data":{"user_id":7,"username":"ada","nickname":"ada","session_key":"eyJ","online_status":1,"device":"web:k3v9","role":"bot","expire_time":900,"refresh_token":"s","refresh_expire_time":1000},"id":1}"#,
        ),
        (
            1009,
            r#"{"old":"a","new":"b"}"#,
            Reply::err("auth bad cred"),
            1010,
            r#"{"code":1002,"message":"auth bad cred","status":"UNAUTHENTICATED"}"#,
        ),
        (1003, "{}", Reply::LoggedOut, 1004, r#"{"code":0,"message":"success"}"#),
    ];
    for (kind, request, reply, answer_kind, answer) in golden {
        let mut connection = logged_in();
        let (slot, _) = ask(&mut connection, kind, request).expect(request);
        connection.reply(slot, reply);
        assert_eq!(take(&mut connection), [(answer_kind, answer.to_owned())], "{request}");
    }
    let mut connection = connection();
    let (slot, _) = ask(&mut connection, 1001, r#"{"username":"a","password":"b"}"#).unwrap();
    connection.reply(slot, Reply::LoggedIn(Box::new(ada())));
    let answer = r#"{"code":0,"message":"success","data":{"user_id":7,"username":"ada","nickname":"ada","session_key":"eyJ","online_status":1,"device":"web:k3v9","role":"user"}}"#;
    assert_eq!(take(&mut connection), [(1002, answer.to_owned())]);
}

#[test]
fn what_nobody_asked_an_answer_for_has_none_unless_it_is_refused() {
    for (kind, body, reply) in [
        (2003, r#"{"kind":"received","message_id":"61"}"#, Reply::Acked),
        (2004, r#"{"to_user_id":8}"#, Reply::Typing),
        (2005, r#"{"to_user_id":8,"content":"x"}"#, Reply::Whispered),
    ] {
        let mut connection = logged_in();
        let (slot, _) = ask(&mut connection, kind, body).unwrap();
        connection.reply(slot, reply);
        assert_eq!(take(&mut connection), [], "{kind}");
    }
}
