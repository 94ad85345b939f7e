//! Receipts (QoS 2), priorities and whispers, as sessions of text lines see them.

use std::time::Duration;

use mpim_tests::{Person, StackBuilder, register_two, until};
use tokio::time::timeout;

use crate::patience::with_events;

on_all_stacks! {
    a_sender_who_asks_for_it_is_told_what_arrived_and_what_was_read,
    how_far_the_members_of_a_group_are_can_be_asked,
    a_whisper_reaches_who_is_there_and_is_not_stored,
    a_session_says_how_urgent_its_messages_are,
}

/// Asks something while receipts may come.
async fn answer(person: &mut Person, command: &str) -> String {
    person.client.send(command).await;
    loop {
        let line = person.client.line().await;
        if !line.starts_with("RECEIPT ") {
            return line;
        }
    }
}

/// The seq of a message that is sent in a session with receipts.
async fn send(person: &mut Person, to: i64, text: &str) -> i64 {
    let reply = answer(person, &format!("SEND {to} {text}")).await;
    let seq = reply.strip_prefix("+OK msg_id=").and_then(|rest| rest.split_once(" seq="));
    seq.and_then(|(_, seq)| seq.parse().ok()).unwrap_or_else(|| panic!("{reply}"))
}

/// Whether a line comes soon that says so of what was done, or more. A single one may be dropped.
async fn told(person: &mut Person, from: i64, field: &str, seq: i64) -> Result<(), String> {
    let start = format!("RECEIPT from={from} ");
    loop {
        match timeout(Duration::from_secs(2), person.client.line()).await {
            Err(_) => return Err(format!("no {field}={seq}")),
            Ok(line) => {
                assert!(line.starts_with(&start), "{line}");
                let field = format!("{field}=");
                let mut fields = line.split(' ').filter_map(|it| it.strip_prefix(&*field));
                if fields.any(|found| found.parse::<i64>().unwrap() >= seq) {
                    return Ok(());
                }
            }
        }
    }
}

async fn a_sender_who_asks_for_it_is_told_what_arrived_and_what_was_read(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let uid = bob.uid;
    ada.send(uid, "without").await;
    bob.client.push().await;
    ada.client.expect("RECEIPTS on", "+OK receipts on").await;
    until("what arrived is told", async || {
        let seq = send(&mut ada, uid, "with").await;
        bob.client.push().await;
        told(&mut ada, uid, "delivered", seq).await
    })
    .await;
    until("what was read is told", async || {
        let seq = send(&mut ada, uid, "with").await;
        bob.client.push().await;
        bob.client.expect(&format!("READ {} {seq}", ada.uid), "+OK read").await;
        told(&mut ada, uid, "read", seq).await
    })
    .await;
    // Asked for, it is the same; and what was sent to somebody who is away is not delivered.
    bob.leave(&stack).await;
    let (ask, done) = (format!("RECEIPTS {uid}"), "+OK receipts_done");
    let seq = send(&mut ada, uid, "away").await - 1;
    assert_eq!(answer(&mut ada, "RECEIPTS off").await, "+OK receipts off");
    // A session that has not asked to be told finds nothing else between the lines.
    let mut phone = ada.on_device(&stack, "mobile:a").await;
    let at = format!("RECEIPT from={uid} delivered={seq} read={seq}");
    until("all before is delivered", async || {
        let line = phone.ask(&ask).await;
        assert_eq!(phone.reply().await, done);
        if line == at { Ok(()) } else { Err(line) }
    })
    .await;
    for (command, refusal) in [
        ("RECEIPTS", "RECEIPTS on|off|<uid or g<gid>>"),
        ("RECEIPTS maybe", "bad uid"),
        ("RECEIPTS g999999", "group not found"),
        ("RECEIPTS 999999", "no such user"),
    ] {
        phone.expect(command, &format!("-ERR {refusal}")).await;
    }
}

async fn how_far_the_members_of_a_group_are_can_be_asked(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    ada.client.expect("RECEIPTS on", "+OK receipts on").await;
    let reply = ada.client.ask(&format!("SENDGROUP {group} all")).await;
    assert!(reply.starts_with("+OK group_msg_id=") && reply.ends_with(" seq=3"), "{reply}");
    bob.client.push().await;
    bob.client.expect(&format!("READ g{group} 3"), "+OK read").await;
    let mut phone = ada.on_device(&stack, "mobile:a").await;
    let at = format!("RECEIPT from={} group={group} delivered=3 read=3", bob.uid);
    phone.expect(&format!("RECEIPTS g{group}"), &at).await;
    assert_eq!(phone.reply().await, "+OK receipts_done");
    let refused = format!("RECEIPTS g{group}");
    carl.client.expect(&refused, "-ERR not a member").await;
}

async fn a_whisper_reaches_who_is_there_and_is_not_stored(stack: StackBuilder) {
    let stack = with_events(stack).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    bob.client.expect("EVENTS on", "+OK events on").await;
    let (whisper, line) =
        (format!("WHISPER {} psst", bob.uid), format!("WHISPER from={} text=psst", ada.uid));
    until("a whisper is heard", async || {
        ada.client.expect(&whisper, "+OK whispered").await;
        match timeout(Duration::from_secs(2), bob.client.line()).await {
            Ok(heard) if heard == line => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let too_long = format!("WHISPER {} {}", bob.uid, "x".repeat(5_000));
    for (command, refusal) in [
        ("WHISPER 999999 psst", "no such user"),
        ("WHISPER g999999 psst", "group not found"),
        (&*too_long, "text too long"),
    ] {
        carl.client.expect(command, &format!("-ERR {refusal}")).await;
    }
    assert!(ada.client.history(&bob.uid.to_string(), 0, 10).await.is_empty());
}

async fn a_session_says_how_urgent_its_messages_are(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for priority in ["low", "normal", "high", "urgent"] {
        ada.client
            .expect(&format!("PRIORITY {priority}"), &format!("+OK priority {priority}"))
            .await;
        let id = ada.send(bob.uid, priority).await;
        let push = bob.client.push().await;
        assert_eq!((push.id, &*push.text), (id, priority));
    }
    let usage = "-ERR PRIORITY low|normal|high|urgent";
    ada.client.expect("PRIORITY highest", usage).await;
}
