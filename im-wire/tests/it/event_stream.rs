//! Server-sent events: what stands in a stream, and what its ids tell.

use crate::frames::ada;
use im_wire::event_stream::{Position, ServerConnection, positions};
use im_wire::{Command, Event, Message, Peer, Refusal, Reply, Secret, Shown};

fn logged_in() -> ServerConnection {
    let mut stream = ServerConnection::new(Secret::new("t"));
    let (slot, command) = stream.next_command().expect("a log-in");
    assert!(matches!(command, Command::LogIn(log_in) if log_in.wants.acks));
    assert!(stream.next_command().is_none() && stream.in_flight() == 1);
    stream.reply(slot, Reply::LoggedIn(Box::new(ada())));
    assert_eq!(taken(&mut stream), ":\n\n");
    stream
}

fn taken(stream: &mut ServerConnection) -> String {
    let taken = String::from_utf8(stream.output().to_vec()).expect("UTF-8");
    stream.consume_output(taken.len());
    taken
}

fn message(from: i64, to: Peer, seq: i64) -> Shown {
    let (msg_id, text) = (100 * from + seq, "a\r\n\nid: x".to_owned());
    Shown::message(Message { msg_id, seq, from, to, is_copy: false, ts_ms: 5, text })
}

fn id_of(event: &str) -> &str {
    event.lines().next().and_then(|line| line.strip_prefix("id: ")).expect("an id")
}

#[test]
fn a_message_is_an_event_of_three_lines_whatever_its_text() {
    let mut stream = logged_in();
    let end = stream.show(&message(8, Peer::User(7), 12));
    let body = r#"{"message_id":"812","session_id":"c2c_7_8","from_user_id":8,"to_user_id":7,"type":0,"content":"a\r\n\nid: x","timestamp":5,"extra":{},"seq":12}"#;
    let event = format!("id: c2c_7_8:12:812\nevent: 2001\ndata: {body}\n\n");
    assert_eq!(end, 3 + event.len() as u64);
    assert_eq!(taken(&mut stream), event);
    stream.show(&Shown::event(Event::Typing { from: 8, group_id: None }));
    assert_eq!(taken(&mut stream), "event: 2004\ndata: {\"from_user_id\":8}\n\n");
    stream.beat();
    assert_eq!(taken(&mut stream), ":\n\n");
}

#[test]
fn an_id_tells_how_far_its_reader_is_in_all_conversations_that_moved_last() {
    let mut stream = logged_in();
    for (from, to, seq) in [
        (8, Peer::User(7), 1),
        (9, Peer::Group(3), 4),
        (7, Peer::User(9), 2),
        (8, Peer::User(7), 2),
    ] {
        stream.show(&message(from, to, seq));
    }
    let told = taken(&mut stream);
    let last = told.trim_end().rsplit("\n\n").next().expect("an event");
    assert_eq!(id_of(last), "c2c_7_8:2:802,c2c_7_9:2:702,grp_3:4:904");
    let position = |peer, seq, msg_id| Position { peer, seq, msg_id };
    let expected = [
        position(Peer::User(8), 2, 802),
        position(Peer::User(9), 2, 702),
        position(Peer::Group(3), 4, 904),
    ];
    assert_eq!(positions(7, id_of(last)).as_deref(), Some(&expected[..]));
    for other in 10..100 {
        stream.show(&message(other, Peer::User(7), 1));
    }
    let told = taken(&mut stream);
    let last = told.trim_end().rsplit("\n\n").next().expect("an event");
    let known = positions(7, id_of(last)).expect("its own ids");
    assert_eq!((known.len(), known[0].peer, known[15].peer), (16, Peer::User(99), Peer::User(84)));
}

#[test]
fn what_is_no_id_of_a_stream_of_theirs_tells_nothing() {
    let many = vec!["grp_1:1:1"; 17].join(",");
    for bad in [
        "",
        ",",
        "7",
        "c2c_7_8",
        "c2c_7_8:1",
        "c2c_7_8:1:",
        "c2c_7_8:0:5",
        "c2c_7_8:-1:5",
        "c2c_7_8:1:5,",
        "c2c_8_9:1:5",
        "c2c_7_x:1:5",
        "grp_0:1:1",
        "grp_1:9223372036854775808:1",
        "c2c_7_8:1:5:6",
        &many,
    ] {
        assert_eq!(positions(7, bad), None, "{bad}");
    }
}

#[test]
fn a_refusal_and_a_close_are_the_last_event() {
    let mut stream = ServerConnection::new(Secret::new("t"));
    let (slot, _) = stream.next_command().expect("a log-in");
    stream.reply(slot, Reply::Err(Refusal::of("too many sessions")));
    let refused = taken(&mut stream);
    assert!(refused.starts_with("event: 9001\ndata: {\"code\":1006,"), "{refused}");
    assert!(refused.ends_with("}\n\n") && stream.ended().is_some());
    let mut stream = logged_in();
    stream.close("device revoked");
    stream.show(&message(8, Peer::User(7), 1));
    let closing = "event: 9001\ndata: {\"code\":1004,\"message\":\"closing device revoked\"}\n\n";
    assert_eq!(taken(&mut stream), closing);
}
