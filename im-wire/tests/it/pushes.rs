//! What is pushed in frames.

use crate::frames::{logged_in, take};
use im_wire::{Event, Message, Peer, Receipt, Shown, Status};

#[test]
fn every_push_has_its_body() {
    let message = |to, is_copy| {
        let text = "hello \u{1F980}\n".to_owned();
        let message = Message { msg_id: 61, seq: 12, from: 7, to, is_copy, ts_ms: 5, text };
        Shown::message(message)
    };
    let receipt = |delivered, read| {
        Shown::event(Event::Receipt(Receipt { from: 8, group_id: None, delivered, read }))
    };
    let direct = r#"{"message_id":"61","session_id":"c2c_7_8","from_user_id":7,"to_user_id":8,"type":0,"content":"hello 🦀\n","timestamp":5,"extra":{},"seq":12}"#;
    let in_group = r#"{"message_id":"61","session_id":"grp_3","from_user_id":7,"to_user_id":3,"group_id":3,"type":0,"content":"hello 🦀\n","timestamp":5,"extra":{},"seq":12}"#;
    for (shown, kind, body) in [
        (message(Peer::User(8), false), 2001, direct),
        (message(Peer::User(8), true), 2001, direct),
        (message(Peer::Group(3), false), 2002, in_group),
        (Shown::event(Event::Typing { from: 7, group_id: None }), 2004, r#"{"from_user_id":7}"#),
        (
            Shown::event(Event::Presence { uid: 8, status: Status::Offline }),
            3001,
            r#"{"user_id":8,"status":0}"#,
        ),
        (
            Shown::event(Event::Whisper { from: 7, group_id: Some(3), text: "psst".to_owned() }),
            2005,
            r#"{"from_user_id":7,"group_id":3,"content":"psst"}"#,
        ),
        (receipt(Some(12), None), 2003, r#"{"kind":"delivered","user_id":8,"seq":12}"#),
        (receipt(None, Some(12)), 2003, r#"{"kind":"read","user_id":8,"seq":12}"#),
        (
            receipt(Some(14), Some(12)),
            2003,
            r#"{"kind":"read","user_id":8,"seq":12,"delivered_seq":14}"#,
        ),
    ] {
        let mut connection = logged_in();
        let begin = connection.output_end();
        let end = connection.show(&shown);
        assert_eq!(end, begin + 8 + body.len() as u64);
        assert_eq!(take(&mut connection), [(kind, body.to_owned())]);
    }
}
