//! What is told to those who are there, and not kept.

use std::time::Duration;

use mpim_tests::{Person, Service, StackBuilder, register_two, until};
use tokio::time::timeout;

use crate::patience::with_events;

on_all_stacks! {
    who_is_typing_is_told_to_those_who_want_to_know,
    friends_are_told_what_somebody_is_and_others_are_not,
    a_reconnect_and_a_restart_show_nothing,
}

async fn who_is_typing_is_told_to_those_who_want_to_know(stack: StackBuilder) {
    let stack = with_events(stack).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    bob.client.expect("EVENTS on", "+OK events on").await;

    ada.client.expect(&format!("TYPING {}", bob.uid), "+OK typing").await;
    assert_eq!(bob.client.line().await, format!("TYPING from={}", ada.uid));
    ada.client.expect(&format!("TYPING g{group}"), "+OK typing").await;
    assert_eq!(bob.client.line().await, format!("TYPING from={} group={group}", ada.uid));

    for (command, refusal) in [
        ("TYPING".to_owned(), "TYPING <uid or g<gid>>"),
        ("TYPING x".to_owned(), "bad uid"),
        ("TYPING 999999".to_owned(), "no such user"),
        ("TYPING g999999".to_owned(), "group not found"),
        (format!("TYPING g{group}"), "not a member"),
        ("EVENTS".to_owned(), "EVENTS on|off"),
        ("EVENTS maybe".to_owned(), "EVENTS on|off"),
    ] {
        carl.client.expect(&command, &format!("-ERR {refusal}")).await;
    }
    // Nothing of it was stored, and who has not asked hears of nothing.
    bob.client.expect(&format!("TYPING {}", ada.uid), "+OK typing").await;
    let id = bob.send(ada.uid, "written").await;
    assert_eq!(ada.client.push().await.id, id);
    assert_eq!(bob.client.history(&ada.uid.to_string(), 0, 10).await.len(), 1);
}

/// Tells at once who comes, and who goes `offline_after_ms` later.
fn told_soon(stack: StackBuilder, offline_after_ms: u32) -> StackBuilder {
    with_events(stack).set(Service::Presence, "status.debounce_ms", 10).set(
        Service::Presence,
        "status.offline_after_ms",
        offline_after_ms,
    )
}

/// Waits for a line; until then, nobody is said to be offline.
async fn told(person: &mut Person, expected: &str) {
    loop {
        let line = person.client.line().await;
        if line == expected {
            return;
        }
        assert!(line.starts_with("PRESENCE ") && !line.contains("offline"), "{line}");
    }
}

/// Asks something while events may come.
async fn answer(person: &mut Person, command: &str) -> String {
    person.client.send(command).await;
    loop {
        let line = person.client.line().await;
        if !line.starts_with("PRESENCE ") {
            return line;
        }
    }
}

async fn friends_are_told_what_somebody_is_and_others_are_not(stack: StackBuilder) {
    let stack = told_soon(stack, 100).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let is = |status: &str, uid: i64| format!("PRESENCE uid={uid} status={status}");
    let asked = |status: &str, uid: i64| format!("+OK presence uid={uid} status={status}");
    for (command, refusal) in [
        (format!("PRESENCE {}", bob.uid), "not a friend"),
        ("PRESENCE 999999".to_owned(), "not a friend"),
        ("PRESENCE".to_owned(), "bad uid"),
        ("STATUS".to_owned(), "STATUS online|busy|away"),
        ("STATUS offline".to_owned(), "STATUS online|busy|away"),
    ] {
        ada.client.expect(&command, &format!("-ERR {refusal}")).await;
    }
    let own = ada.uid;
    ada.client.expect(&format!("PRESENCE {own}"), &asked("online", own)).await;

    ada.client.expect(&format!("ADDFRIEND {}", bob.uid), "+OK friend added").await;
    for person in [&mut ada, &mut carl] {
        person.client.expect("EVENTS on", "+OK events on").await;
    }
    let ask = format!("PRESENCE {}", bob.uid);
    assert_eq!(answer(&mut ada, &ask).await, asked("online", bob.uid));
    bob.client.expect("STATUS busy", "+OK status busy").await;
    told(&mut ada, &is("busy", bob.uid)).await;
    ada.client.expect(&ask, &asked("busy", bob.uid)).await;
    bob.client.expect("STATUS away", "+OK status away").await;
    assert_eq!(ada.client.line().await, is("away", bob.uid));
    bob.leave(&stack).await;
    assert_eq!(ada.client.line().await, is("offline", bob.uid));
    ada.client.expect(&ask, &asked("offline", bob.uid)).await;
    bob.log_in(&stack).await;
    assert_eq!(ada.client.line().await, is("online", bob.uid));
    carl.client.expect("PING", "+OK pong").await;
}

async fn a_reconnect_and_a_restart_show_nothing(stack: StackBuilder) {
    let mut stack = told_soon(stack, 600_000).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    ada.client.expect(&format!("ADDFRIEND {}", bob.uid), "+OK friend added").await;
    let ask = format!("PRESENCE {}", bob.uid);
    let online = format!("+OK presence uid={} status=online", bob.uid);
    let busy = format!("PRESENCE uid={} status=busy", bob.uid);
    ada.client.expect("EVENTS on", "+OK events on").await;
    bob.client.expect("STATUS busy", "+OK status busy").await;
    told(&mut ada, &busy).await;
    bob.client.expect("STATUS online", "+OK status online").await;
    told(&mut ada, &busy.replace("busy", "online")).await;

    bob.leave(&stack).await;
    ada.client.expect(&ask, &online).await;
    bob.log_in(&stack).await;
    // What is told next is the next thing that happens.
    bob.client.expect("STATUS busy", "+OK status busy").await;
    assert_eq!(ada.client.line().await, busy);

    let gateway = stack.process_of(Service::Gateway);
    stack.stop(&gateway).await;
    stack.restart(&gateway).await;
    ada.log_in(&stack).await;
    ada.client.expect("EVENTS on", "+OK events on").await;
    bob.log_in(&stack).await;
    assert_eq!(answer(&mut ada, &ask).await, online);
    // An event is dropped while im-presence waits before it connects to the gateway again.
    until("what bob is is told again", async || {
        for status in ["away", "busy"] {
            bob.client.expect(&format!("STATUS {status}"), &format!("+OK status {status}")).await;
            let line = busy.replace("busy", status);
            if timeout(Duration::from_secs(2), told(&mut ada, &line)).await.is_ok() {
                return Ok(());
            }
        }
        Err("nothing is told")
    })
    .await;
}
