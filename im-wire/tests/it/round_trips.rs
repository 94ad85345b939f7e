//! What is written by others' JSON and read by ours is the same, and the other way round.

use crate::frames::{logged_in_within, take};
use bytes::BytesMut;
use im_wire::frames::{Frame, FrameLimits, Frames, put_frame};
use im_wire::{Command, Message, Outgoing, Peer, Priority, Reply, Shown};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};

const USER: i64 = 7;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![1..20_i64, 1..=i64::MAX]
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![number().prop_map(Peer::User), number().prop_map(Peer::Group)]
}

fn priority() -> impl Strategy<Value = Priority> {
    use Priority::{High, Low, Normal, Urgent};
    prop_oneof![Just(Low), Just(Normal), Just(High), Just(Urgent)]
}

fn message() -> impl Strategy<Value = Outgoing> {
    let client_msg_id = option::of("[!-~]{1,64}");
    let text = any::<String>().prop_filter("an empty one is refused", |text| !text.is_empty());
    (client_msg_id, peer(), text, option::of(priority()), option::of(any::<bool>())).prop_map(
        |(client_msg_id, to, text, priority, receipts)| Outgoing {
            client_msg_id,
            to,
            text,
            priority,
            receipts,
        },
    )
}

/// What a command to send says.
fn outgoing(command: Command) -> Option<Outgoing> {
    let plain = |client_msg_id, to, text| Outgoing {
        client_msg_id,
        to,
        text,
        priority: None,
        receipts: None,
    };
    match command {
        Command::Send { client_msg_id, to, text } => {
            Some(plain(client_msg_id, Peer::User(to), text))
        }
        Command::SendGroup { client_msg_id, group_id, text } => {
            Some(plain(client_msg_id, Peer::Group(group_id), text))
        }
        Command::Message(message) => Some(*message),
        _ => None,
    }
}

fn conversation(to: Peer) -> String {
    match to {
        Peer::User(other) => format!("c2c_{}_{}", USER.min(other), USER.max(other)),
        Peer::Group(group_id) => format!("grp_{group_id}"),
    }
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written_and_so_is_its_answer(
        message in message(),
        id in prop_oneof!["\\PC{1,16}".prop_map(Value::from), any::<i64>().prop_map(Value::from)],
        (msg_id, seq) in (number(), number()),
    ) {
        let kind = if matches!(message.to, Peer::User(_)) { 2001 } else { 2002 };
        let (Peer::User(to) | Peer::Group(to)) = message.to;
        let body = json!({"to_user_id": to, "content": message.text, "id": id,
            "message_id": message.client_msg_id,
            "extra": {"priority": message.priority.map(Priority::as_str),
                "receipts": message.receipts}});
        let mut connection = logged_in_within(FrameLimits::default());
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, kind, body.to_string().as_bytes());
        connection.receive(&bytes);
        let (slot, command) = connection.next_command().expect("a command");
        prop_assert_eq!(outgoing(command), Some(message.clone()));

        connection.reply(slot, Reply::MsgIdSeq(msg_id, seq));
        let answers = take(&mut connection);
        prop_assert_eq!((answers.len(), answers[0].0), (1, 2003));
        let mut expected = json!({"code": 0, "message": "success", "kind": "sent", "id": id,
            "message_id": msg_id.to_string(), "session_id": conversation(message.to), "seq": seq});
        if let Some(client_msg_id) = message.client_msg_id {
            expected["client_message_id"] = client_msg_id.into();
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&answers[0].1).unwrap(), expected);
    }

    #[test]
    fn what_is_shown_is_what_it_is(
        (msg_id, seq, from, ts_ms) in (number(), number(), number(), number()),
        group in option::of(number()),
        text in any::<String>(),
    ) {
        let to = group.map_or(Peer::User(USER), Peer::Group);
        let message = Message { msg_id, seq, from, to, is_copy: false, ts_ms, text };
        let (kind, body) = {
            let mut connection = logged_in_within(FrameLimits::default());
            connection.show(&Shown::message(message.clone()));
            take(&mut connection).remove(0)
        };
        prop_assert_eq!(kind, if group.is_some() { 2002 } else { 2001 });
        let shown: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(&shown["content"], &json!(message.text));
        prop_assert_eq!(&shown["message_id"], &json!(msg_id.to_string()));
        let numbers = ["seq", "from_user_id", "timestamp"].map(|key| shown[key].as_i64());
        prop_assert_eq!(numbers, [Some(seq), Some(from), Some(ts_ms)]);
        prop_assert_eq!(shown["to_user_id"].as_i64(), Some(group.unwrap_or(USER)));
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut(
        sent in vec((any::<u16>(), vec(any::<u8>(), 0..100)), 0..10),
        cut in 1..50_usize,
    ) {
        let mut bytes = BytesMut::new();
        for (kind, body) in &sent {
            put_frame(&mut bytes, *kind, body);
        }
        let (mut frames, mut read) = (Frames::new(108), Vec::new());
        for piece in bytes.chunks(cut) {
            frames.receive(piece);
            while let Some(frame) = frames.next_frame() {
                let Frame::Whole { kind, body } = frame else { panic!("{frame:?}") };
                read.push((kind, body.to_vec()));
            }
        }
        prop_assert_eq!(read, sent);
        prop_assert_eq!(frames.capacity(), 0);
    }
}
