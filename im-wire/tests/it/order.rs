//! Replies in order, barriers, bounds.

use crate::{logged_in, slots, take};
use im_wire::text::{Command, Hist, Push, Reply, ServerConnection, TextLimits};
use std::borrow::Cow;

fn push(text: &str) -> im_wire::text::PushLine {
    let text = Cow::Borrowed(text);
    Push { msg_id: 1, from: 2, to: None, ts_ms: 3, group_id: None, text }.encode()
}

#[test]
fn replies_leave_in_the_order_of_the_commands_whatever_the_order_of_the_answers() {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(b"SEND 9 a\nSEND x b\nSENDGROUP 4 c\nACK 5\n");
    let slots = slots(&mut connection);
    assert_eq!(slots.len(), 3, "sends and acks do not wait for each other");
    assert_eq!(take(&mut connection), "", "the refusal waits for its turn");

    let replies = [Reply::MsgId(1), Reply::GroupMsgId(2), Reply::Acked];
    for (slot, reply) in slots.into_iter().zip(replies).rev() {
        assert_eq!(take(&mut connection), "");
        connection.reply(slot, reply);
    }
    assert_eq!(
        take(&mut connection),
        "+OK msg_id=1\n-ERR bad toUid\n+OK group_msg_id=2\n+OK acked\n"
    );
}

#[test]
fn a_barrier_waits_for_the_commands_before_it_and_holds_up_those_behind_it() {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(b"SEND 9 a\nPULL\nSEND 9 b\nFOO\n");
    let (first, _) = connection.next_command().expect("the first send");
    assert!(connection.next_command().is_none(), "PULL waits for the send");
    connection.reply(first, Reply::MsgId(1));
    let (pull, command) = connection.next_command().expect("PULL, alone");
    assert_eq!(command, Command::Pull);
    assert!(connection.next_command().is_none(), "nothing overtakes PULL");

    connection.push(&push("waited"));
    connection.reply(pull, Reply::PullDone);
    let (last, _) = connection.next_command().expect("the second send");
    connection.reply(last, Reply::MsgId(2));
    assert!(connection.next_command().is_none());
    assert_eq!(
        take(&mut connection),
        "+OK msg_id=1\nMSG id=1 from=2 ts=3 text=waited\n+OK pull_done\n+OK msg_id=2\n\
         -ERR unknown cmd\n"
    );
}

#[test]
fn a_line_behind_a_log_in_is_judged_by_its_outcome() {
    for (outcome, shown) in [
        (Reply::Uid(7), "+OK uid=7\n-ERR SEND <toUid> <text>\n"),
        (Reply::err("auth bad cred"), "-ERR auth bad cred\n-ERR not login\n"),
    ] {
        let mut connection = ServerConnection::new(TextLimits::default());
        connection.receive(b"LOGIN ada secret\nSEND\n");
        let (slot, _) = connection.next_command().expect("the log-in");
        assert!(connection.next_command().is_none());
        connection.reply(slot, outcome);
        assert!(connection.next_command().is_none());
        assert_eq!(take(&mut connection), shown);
    }
}

#[test]
fn after_a_log_out_the_session_is_gone() {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(b"LOGOUT\nPULL\n");
    let (slot, _) = connection.next_command().expect("the log-out");
    connection.reply(slot, Reply::LoggedOut);
    assert!(connection.next_command().is_none());
    assert!(!connection.is_logged_in());
    assert_eq!(take(&mut connection), "+OK logout success\n-ERR not login\n");
}

#[test]
fn a_push_never_stands_inside_a_reply() {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(b"HISTORY 9 0 2\n");
    let (slot, _) = connection.next_command().expect("the history");
    connection.push(&push("before"));
    let hist = |seq| Hist { seq, msg_id: seq, from: 2, ts_ms: 3, text: Cow::Borrowed("x") };
    connection.reply(slot, Reply::History(vec![hist(1), hist(2)]));
    connection.push(&push("after"));
    assert_eq!(
        take(&mut connection),
        "MSG id=1 from=2 ts=3 text=before\nHIST seq=1 id=1 from=2 ts=3 text=x\n\
         HIST seq=2 id=2 from=2 ts=3 text=x\n+OK history_done\nMSG id=1 from=2 ts=3 text=after\n"
    );
}

#[test]
fn at_the_bound_no_command_is_handed_out_and_reading_stops() {
    let limits = TextLimits { in_flight_max: 2, ..TextLimits::default() };
    let mut connection = logged_in(limits);
    connection.receive(b"SEND 9 a\nSEND 9 b\nSEND 9 c\n");
    let mut taken = slots(&mut connection);
    assert_eq!(taken.len(), 2);
    assert!(!connection.wants_input());
    connection.reply(taken.remove(0), Reply::MsgId(1));
    assert!(connection.next_command().is_some());
    assert!(connection.wants_input(), "nothing waits, so a disconnect must be noticed");
}

#[test]
fn refusals_count_towards_the_bound() {
    let limits = TextLimits { in_flight_max: 4, ..TextLimits::default() };
    let mut connection = logged_in(limits);
    connection.receive(b"SEND 9 a\n");
    connection.receive(&b"FOO\n".repeat(100));
    let taken = slots(&mut connection);
    assert_eq!((taken.len(), connection.in_flight()), (1, 4));
    assert!(!connection.wants_input());
}

#[test]
fn a_client_that_does_not_read_its_answers_gets_no_more() {
    let limits = TextLimits { output_bytes_max: 100, ..TextLimits::default() };
    let mut connection = logged_in(limits);
    connection.receive(&b"FOO\n".repeat(1000));
    assert!(connection.next_command().is_none());
    assert!(connection.output().len() <= 100 + "-ERR unknown cmd\n".len());
    assert!(!connection.wants_input());
    let mut replies = 0;
    while !connection.output().is_empty() {
        replies += take(&mut connection).lines().count();
        assert!(connection.next_command().is_none());
    }
    assert_eq!(replies, 1000);
    assert!(connection.wants_input());
}

#[test]
fn a_push_knows_where_it_ends_in_the_output() {
    let mut connection = ServerConnection::new(TextLimits::default());
    connection.welcome();
    let welcome = connection.output().len();
    let line = push("x");
    assert_eq!(connection.push(&line), (welcome + line.as_bytes().len()) as u64);
    connection.consume_output(10);
    assert_eq!(connection.push(&line), (welcome + 2 * line.as_bytes().len()) as u64);
    assert_eq!(connection.output_end(), (welcome + 2 * line.as_bytes().len()) as u64);
    assert_eq!(connection.output().len(), welcome + 2 * line.as_bytes().len() - 10);
}

#[test]
fn after_the_closing_line_nothing_follows() {
    let mut connection = logged_in(TextLimits::default());
    connection.receive(b"SEND 9 a\nSEND 9 b\nFO");
    let taken = slots(&mut connection);
    connection.close("server is\nstopping");
    for slot in taken {
        connection.reply(slot, Reply::MsgId(1));
    }
    connection.push(&push("late"));
    connection.receive(b"O\n");
    assert!(connection.next_command().is_none());
    assert!(!connection.wants_input());
    assert_eq!(take(&mut connection), "-ERR closing server is\\x0Astopping\n");
}

#[test]
fn an_idle_connection_holds_next_to_nothing() {
    let mut connection = logged_in(TextLimits::default());
    for _ in 0..64 {
        connection.receive(b"SEND 9 a message of some length that has to be kept for a while\n");
    }
    for slot in slots(&mut connection) {
        connection.reply(slot, Reply::MsgId(1));
    }
    connection.receive(&[b'x'; 10_000]);
    assert!(connection.next_command().is_none());
    connection.receive(b"\n");
    assert!(connection.next_command().is_none());
    take(&mut connection);
    assert!(connection.buffer_bytes() < 512, "holds {} bytes", connection.buffer_bytes());
}
