//! What a client is shown, and what counts as delivered.

use mpim_proto::push::Content;
use mpim_proto::{C2cMsg, EntryKind, Push};

use crate::client::texts;
use crate::fakes::Asked;
use crate::system::System;

const CONV: &str = "c2c_1_2";

#[tokio::test]
async fn pushes_in_any_order_are_shown_in_order_and_once() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let entries: Vec<_> =
        (1..=6).map(|number| system.store(CONV, 2, &number.to_string())).collect();
    for index in [1, 0, 0, 4, 2, 5, 3, 1] {
        system.push(&[&entries[index]], &[1]).await;
    }
    assert_eq!(texts(&ada.lines(6).await), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn a_lost_push_is_fetched_when_the_next_one_comes() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let first = system.store(CONV, 2, "1");
    system.push(&[&first], &[1]).await;
    assert!(ada.line().await.ends_with("text=1"));
    system.store(CONV, 2, "lost");
    let third = system.store(CONV, 2, "3");
    system.push(&[&third], &[1]).await;
    assert_eq!(texts(&ada.lines(2).await), ["lost", "3"]);
}

#[tokio::test]
async fn own_messages_and_changes_of_membership_are_passed_over_and_still_move_the_cursor() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    ada.ask("CREATEGROUP team").await;
    let joined = system.fakes.state().append("grp_1", 1, EntryKind::Joined, "");
    ada.ask("SENDGROUP 1 mine").await;
    let mine = system.fakes.state().timelines["grp_1"][1].clone();
    let theirs = system.store("grp_1", 2, "theirs");
    system.push(&[&joined, &mine, &theirs], &[1]).await;
    assert_eq!(ada.line().await, "MSG id=3 from=2 ts=1000 group=1 text=theirs");
    system.cursor(1, "grp_1", 3).await;
}

#[tokio::test]
async fn the_reply_to_a_send_does_not_move_the_position() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let _bob = system.register("bob").await;
    let theirs = system.store(CONV, 2, "before");
    assert_eq!(ada.ask("SEND 2 mine").await, "+OK msg_id=2");
    let mine = system.fakes.state().timelines[CONV][1].clone();
    system.push(&[&mine], &[1, 2]).await;
    assert!(ada.line().await.ends_with("text=before"));
    system.push(&[&theirs], &[1, 2]).await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn cursors_are_gathered() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let entries: Vec<_> =
        (1..=100).map(|number| system.store(CONV, 2, &number.to_string())).collect();
    for entry in &entries {
        system.push(&[entry], &[1]).await;
    }
    ada.lines(100).await;
    system.cursor(1, CONV, 100).await;
    let writes = system.asked().into_iter().filter(|it| matches!(it, Asked::Advance { .. }));
    assert!(writes.count() <= 50, "not one for each message");
}

#[tokio::test]
async fn after_the_first_ack_only_what_is_acknowledged_counts_as_delivered() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 5).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("ACK 1").await, "+OK acked");
    let entries: Vec<_> =
        (1..=5).map(|number| system.store(CONV, 2, &number.to_string())).collect();
    system.push(&entries.iter().collect::<Vec<_>>(), &[1]).await;
    ada.lines(5).await;
    assert_eq!(ada.ask("ACK 3").await, "+OK acked");
    system.cursor(1, CONV, 3).await;
    assert_eq!(ada.ask("ACK 2").await, "+OK acked", "an older one changes nothing");
    let others = system.store("c2c_2_3", 2, "not for ada");
    for strange in [others.msg_id, 9_999] {
        assert_eq!(ada.ask(&format!("ACK {strange}")).await, "+OK acked", "nor does a strange one");
    }
    assert_eq!(ada.ask("LOGOUT").await, "+OK logout success");
    let cursors = system.fakes.state().cursors.clone();
    assert_eq!(cursors[&(1, CONV.to_owned())], 3);
    assert_eq!(cursors.len(), 1, "{cursors:?}");
    let mut ada = system.log_in("ada").await;
    assert_eq!(texts(&ada.lines(2).await), ["4", "5"], "the rest comes again");
}

#[tokio::test]
async fn a_client_that_acknowledges_for_itself_gets_a_window_at_a_time() {
    let system = System::with(|config| config.session.window_messages_max = 4).await;
    system.register("ada").await.ask("LOGOUT").await;
    for number in 1..=10 {
        system.store(CONV, 2, &number.to_string());
    }
    let mut ada = system.connect().await;
    ada.send(b"LOGIN ada password\nACK 999\n").await;
    let mut shown = Vec::new();
    let mut acks = 0;
    assert_eq!(ada.line().await, "+OK uid=1");
    while shown.len() < 10 || acks < 11 {
        let line = ada.line().await;
        if line == "+OK acked" {
            acks += 1;
            continue;
        }
        shown.push(line.clone());
        let id = line.split(['=', ' ']).nth(2).unwrap().to_owned();
        ada.send(format!("ACK {id}\n").as_bytes()).await;
    }
    let expected: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(texts(&shown), expected);
    system.cursor(1, CONV, 10).await;
}

#[tokio::test]
async fn pull_gives_a_client_that_acknowledges_for_itself_more_than_a_window() {
    let system = System::with(|config| config.session.window_messages_max = 4).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("ACK 999").await, "+OK acked");
    for number in 1..=20 {
        system.store(CONV, 2, &number.to_string());
    }
    let lines = ada.ask_all("PULL").await;
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "+OK pull_done");
}

#[tokio::test]
async fn an_originals_deliver_is_shown_and_counted() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let msg = C2cMsg { msg_id: 7, from: 9, to: 1, ts_ms: 5, text: "hi".to_owned() };
    let push = |to| Push {
        content: Some(Content::Direct(msg.clone())),
        recipients: vec![to],
        ..Push::default()
    };
    assert_eq!(system.push_all(vec![push(1)]).await.reached, 1);
    assert_eq!(ada.line().await, "MSG id=7 from=9 ts=5 text=hi");
    assert_eq!(system.push_all(vec![push(2)]).await.reached, 0);
}

#[tokio::test]
async fn positions_that_were_forgotten_are_found_again() {
    let mut system = System::with(|config| {
        config.session.conversations_max = 16;
        config.session.cursor_interval_ms = 1;
    })
    .await;
    let mut ada = system.register("ada").await;
    for round in 1..=3 {
        for from in 2..50 {
            let entry = system.store(&format!("c2c_1_{from}"), from, &round.to_string());
            system.push(&[&entry], &[1]).await;
            let line = ada.line().await;
            assert!(line.contains(&format!(" from={from} ")) && line.ends_with(&round.to_string()));
        }
        for from in 2..50 {
            system.cursor(1, &format!("c2c_1_{from}"), round).await;
        }
    }
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

/// Whatever else becomes of a session that is behind, it goes on with what is kept.
#[tokio::test]
async fn a_session_that_is_behind_what_is_no_longer_kept_goes_on_with_the_rest() {
    let mut system = System::with(|config| config.session.window_messages_max = 4).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("ACK 999").await, "+OK acked");
    let entries: Vec<_> =
        (1..=20).map(|number| system.store(CONV, 2, &number.to_string())).collect();
    system.push(&entries.iter().collect::<Vec<_>>(), &[1]).await;
    assert_eq!(texts(&ada.lines(4).await), ["1", "2", "3", "4"], "a window");
    system.fakes.state().gone.insert(CONV.to_owned(), 18);
    ada.send(b"ACK 4\n").await;
    assert_eq!(ada.line().await, "+OK acked");
    assert_eq!(texts(&ada.lines(2).await), ["19", "20"]);
    assert_eq!(ada.ask("ACK 20").await, "+OK acked");
    system.cursor(1, CONV, 20).await;

    // All that it lacks goes.
    let late: Vec<_> = (21..=30).map(|number| system.store(CONV, 2, &number.to_string())).collect();
    system.push(&late.iter().collect::<Vec<_>>(), &[1]).await;
    assert_eq!(texts(&ada.lines(4).await), ["21", "22", "23", "24"]);
    system.fakes.state().gone.insert(CONV.to_owned(), 30);
    assert_eq!(ada.ask("ACK 24").await, "+OK acked");
    assert_eq!(ada.ask("PULL").await, "+OK pull_done", "it waits for nothing");
    let next = system.store(CONV, 2, "31");
    system.push(&[&next], &[1]).await;
    assert_eq!(texts(&ada.lines(1).await), ["31"]);
    assert_eq!(ada.ask("ACK 31").await, "+OK acked");
    system.cursor(1, CONV, 31).await;
}
