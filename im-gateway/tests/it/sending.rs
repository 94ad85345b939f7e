//! A session's own messages.

use std::sync::Arc;

use mprpc::Status;
use tokio::sync::Semaphore;

use crate::fakes::{Asked, Fault};
use crate::system::System;

fn batches(asked: &[Asked]) -> Vec<Vec<String>> {
    let texts = asked.iter().filter_map(|asked| match asked {
        Asked::Send { texts, .. } => Some(texts.clone()),
        _ => None,
    });
    texts.collect()
}

#[tokio::test]
async fn pipelined_messages_form_batches_and_are_stored_in_the_order_sent() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let _bob = system.register("bob").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"SEND 2 m0\n").await;
    system.until("one is under way", |state| !batches(&state.asked).is_empty()).await;
    let rest: String = (1..=600).map(|number| format!("SEND 2 m{number}\n")).collect();
    ada.send(rest.as_bytes()).await;
    // Another conversation does not wait for this one, though its reply has to.
    ada.send(b"SEND 1 self\n").await;
    let own =
        |state: &crate::fakes::State| batches(&state.asked).contains(&vec!["self".to_owned()]);
    system.until("the other conversation's turn", own).await;
    assert_eq!(batches(&system.asked()), [["m0"], ["self"]], "one batch at a time");
    gate.add_permits(100);
    let replies = ada.lines(602).await;
    assert!(replies.iter().all(|reply| reply.starts_with("+OK msg_id=")));
    let sizes: Vec<usize> = batches(&system.asked()).iter().map(Vec::len).collect();
    assert_eq!(sizes, [256, 256, 88]);
    let state = system.fakes.state();
    let stored: Vec<&str> =
        state.timelines["c2c_1_2"].iter().map(|entry| entry.text.as_str()).collect();
    let sent: Vec<String> = (0..=600).map(|number| format!("m{number}")).collect();
    assert_eq!(stored, sent);
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_tried_again_with_the_same_id_and_stored_once() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let lost = Status::unavailable("the answer is lost");
    system.fakes.fault("send_batch", Fault::Mute(2, lost));
    assert_eq!(ada.ask("SEND 1 hi").await, "+OK msg_id=1");
    let (ids, repeatable): (Vec<Vec<String>>, Vec<bool>) = system
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Asked::Send { ids, repeatable, .. } => Some((ids, repeatable)),
            _ => None,
        })
        .unzip();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
    // The first may still be on its way, so a refusal of the others has to hold for it, too.
    assert_eq!(repeatable, [false, true, true]);
    assert_eq!(system.fakes.state().timelines["c2c_1_1"].len(), 1);
}

/// A client that is told to slow down believes that nothing was stored.
#[tokio::test]
async fn a_send_that_may_be_stored_is_not_refused_because_its_retry_was() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    system.fakes.fault("send_batch", Fault::Mute(99, Status::deadline_exceeded("lost")));
    ada.send(b"SEND 1 hi\n").await;
    system.until("stored", |state| state.timelines.contains_key("c2c_1_1")).await;
    system.fakes.fault("send_batch", Fault::Fails(99, Status::resource_exhausted("full")));
    assert_eq!(ada.line().await, "-ERR unavailable, try again");
    for line in ["SEND 1 again", "SENDID own 1 again"] {
        assert_eq!(ada.ask(line).await, "-ERR slow down", "to {line}");
    }
}

/// A refusal has to hold for the other tries, too, which may be on their way through another gateway.
#[tokio::test]
async fn what_has_an_id_of_the_clients_own_says_that_it_may_come_again() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    for (line, expected) in [("SEND 1 a", false), ("SENDID own 1 b", true), ("SEND 1 c", false)] {
        system.asked();
        assert!(ada.ask(line).await.starts_with("+OK msg_id="));
        let said = system.asked().into_iter().find_map(|asked| match asked {
            Asked::Send { repeatable, .. } => Some(repeatable),
            _ => None,
        });
        assert_eq!(said, Some(expected), "of {line}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_one_clear_error_within_the_deadline() {
    let system = System::with(|config| {
        config.calls.send_timeout_ms = 2_000;
        config.calls.timeout_ms = 2_000;
    })
    .await;
    let mut ada = system.register("ada").await;
    let down = Status::unavailable("down");
    for operation in ["send_batch", "add_friend", "list_behind", "fetch_range", "login"] {
        system.fakes.fault(operation, Fault::Fails(usize::MAX, down.clone()));
    }
    for command in ["SEND 1 a", "ADDFRIEND 1", "PULL", "HISTORY 1 0 1", "LOGIN ada password"] {
        assert_eq!(ada.ask(command).await, "-ERR unavailable, try again", "to {command}");
    }
    let frozen = Arc::new(Semaphore::new(0));
    for operation in ["send_batch", "add_friend", "list_behind"] {
        system.fakes.fault(operation, Fault::Waits(Arc::clone(&frozen)));
    }
    for command in ["SEND 1 b", "ADDFRIEND 1", "PULL"] {
        assert_eq!(ada.ask(command).await, "-ERR unavailable, try again", "to {command}");
    }
    system.fakes.heal();
    assert_eq!(ada.ask("WHOAMI").await, "+OK uid=1", "the session is still there");
    assert!(ada.ask("SEND 1 c").await.starts_with("+OK msg_id="));
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn whoever_sends_faster_than_allowed_is_told_to_slow_down() {
    let system = System::with(|config| config.session.messages_per_s = 5).await;
    let mut ada = system.register("ada").await;
    ada.send("SEND 1 x\n".repeat(20).as_bytes()).await;
    let replies = ada.lines(20).await;
    let slow = replies.iter().filter(|reply| *reply == "-ERR slow down").count();
    assert!((10..=15).contains(&slow), "{slow} of 20");
    assert!(replies[..5].iter().all(|reply| reply.starts_with("+OK msg_id=")));
}

#[tokio::test]
async fn the_sender_is_the_sessions_user() {
    let system = System::start().await;
    let _ada = system.register("ada").await;
    let mut bob = system.register("bob").await;
    bob.ask("SEND 1 from=1 id=9").await;
    let from = system.asked().into_iter().find_map(|asked| match asked {
        Asked::Send { from, .. } => Some(from),
        _ => None,
    });
    assert_eq!(from, Some(2));
}
