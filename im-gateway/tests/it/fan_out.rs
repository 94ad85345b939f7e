//! What many sessions of one gateway need is asked for once.

use std::sync::Arc;

use mpim_proto::{EntryKind, Span};
use mprpc::Status;
use tokio::sync::Semaphore;

use crate::client::{Client, texts};
use crate::fakes::{Asked, Fault};
use crate::system::System;

const GROUP: &str = "grp_1";
const MEMBERS: i64 = 40;

/// Members of a group who all have its first message.
async fn members(system: &mut System) -> (Vec<Client>, Vec<i64>) {
    let mut clients = Vec::new();
    for user_id in 1..=MEMBERS {
        let mut client = system.register(&format!("user{user_id}")).await;
        if user_id == 1 {
            client.ask("CREATEGROUP team").await;
        } else {
            system.fakes.state().join(1, user_id);
        }
        clients.push(client);
    }
    let user_ids: Vec<i64> = (1..=MEMBERS).collect();
    let first = system.store(GROUP, 99, "first");
    system.push(&[&first], &user_ids).await;
    for client in &mut clients {
        assert!(client.line().await.ends_with("text=first"));
    }
    system.asked();
    (clients, user_ids)
}

fn fetches(asked: Vec<Asked>) -> Vec<Vec<i64>> {
    let users = |it| match it {
        Asked::Fetch { users, .. } => Some(users),
        _ => None,
    };
    asked.into_iter().filter_map(users).collect()
}

#[tokio::test]
async fn what_all_sessions_of_a_group_missed_is_fetched_once_for_all_of_them() {
    let mut system = System::start().await;
    let (mut clients, user_ids) = members(&mut system).await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("fetch_range", Fault::Waits(Arc::clone(&gate)));
    system.store(GROUP, 99, "lost");
    let third = system.store(GROUP, 99, "third");
    system.push(&[&third], &user_ids).await;
    for client in &mut clients {
        // The first is answered after the session has looked into its mailbox, the second after it
        // has asked for what it lacks.
        assert_eq!(client.ask("PING").await, "+OK pong");
        assert_eq!(client.ask("PING").await, "+OK pong");
    }
    gate.add_permits(2);
    for client in &mut clients {
        assert_eq!(texts(&client.lines(2).await), ["lost", "third"]);
    }
    let fetches = fetches(system.asked());
    assert!(fetches.len() <= 2, "{fetches:?}");
    let mut asked_for: Vec<i64> = fetches.concat();
    asked_for.sort_unstable();
    assert_eq!(asked_for, user_ids);
}

#[tokio::test]
async fn of_what_is_fetched_for_many_each_is_shown_what_they_may_see() {
    let mut system = System::start().await;
    let (mut clients, user_ids) = members(&mut system).await;
    let spans = vec![Span { from_seq: 1, to_seq: 2 }, Span { from_seq: 4, to_seq: 5 }];
    system.fakes.state().spans.insert((2, GROUP.to_owned()), spans);
    system.store(GROUP, 99, "second");
    system.store(GROUP, 99, "while 2 was away");
    system.fakes.state().append(GROUP, 2, EntryKind::Joined, "");
    let last = system.store(GROUP, 99, "last");
    system.push(&[&last], &user_ids).await;
    for (client, user_id) in clients.iter_mut().zip(user_ids) {
        let expected: &[&str] = match user_id {
            2 => &["second", "last"],
            _ => &["second", "while 2 was away", "last"],
        };
        assert_eq!(texts(&client.lines(expected.len()).await), expected, "{user_id}");
        assert_eq!(client.ask("PULL").await, "+OK pull_done");
    }
}

#[tokio::test]
async fn a_fetch_that_fails_fails_for_all_and_is_tried_again() {
    let mut system = System::with(|config| config.calls.retry_ms = 10).await;
    let (mut clients, user_ids) = members(&mut system).await;
    system.fakes.fault("fetch_range", Fault::Fails(5, Status::unavailable("down")));
    system.store(GROUP, 99, "lost");
    let third = system.store(GROUP, 99, "third");
    system.push(&[&third], &user_ids).await;
    for client in &mut clients {
        assert_eq!(texts(&client.lines(2).await), ["lost", "third"]);
    }
}

#[tokio::test]
async fn a_session_that_ends_while_its_page_is_fetched_takes_it_from_nobody() {
    let mut system = System::start().await;
    let (mut clients, user_ids) = members(&mut system).await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("fetch_range", Fault::Waits(Arc::clone(&gate)));
    system.store(GROUP, 99, "lost");
    let third = system.store(GROUP, 99, "third");
    // The first of them asks for all.
    system.push(&[&third], &user_ids[..1]).await;
    system
        .until("asked", |state| state.asked.iter().any(|it| matches!(it, Asked::Fetch { .. })))
        .await;
    system.push(&[&third], &user_ids[1..]).await;
    drop(clients.remove(0));
    system.until("gone", |state| !state.routes.contains_key(&(1, "text".to_owned()))).await;
    gate.add_permits(clients.len());
    for client in &mut clients {
        assert_eq!(texts(&client.lines(2).await), ["lost", "third"]);
    }
}

#[tokio::test]
async fn cursors_of_many_sessions_are_written_together() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 5).await;
    let (mut clients, user_ids) = members(&mut system).await;
    for seq in 2..20 {
        let entry = system.store(GROUP, 99, "hi");
        system.push(&[&entry], &user_ids).await;
        for client in &mut clients {
            client.line().await;
        }
        for user_id in &user_ids {
            system.cursor(*user_id, GROUP, seq).await;
        }
        // Two calls for all of them is what it comes to; how often depends on who is scheduled when.
        if system.asked().iter().any(|it| matches!(it, Asked::AdvanceMany(2..))) {
            return;
        }
    }
    panic!("each in a call of its own");
}

/// Recipients are the members of when an entry is dispatched, not of when it was written.
#[tokio::test]
async fn what_was_said_while_somebody_was_away_is_not_shown_though_it_is_pushed_to_them() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    ada.ask("CREATEGROUP team").await;
    let first = system.store(GROUP, 99, "first");
    let left = system.fakes.state().append(GROUP, 1, EntryKind::Left, "");
    system.push(&[&first, &left], &[1]).await;
    assert!(ada.line().await.ends_with("text=first"));
    let away = system.store(GROUP, 99, "while ada was away");
    let back = system.fakes.state().append(GROUP, 1, EntryKind::Joined, "");
    let spans = vec![Span { from_seq: 1, to_seq: 2 }, Span { from_seq: 4, to_seq: i64::MAX }];
    system.fakes.state().spans.insert((1, GROUP.to_owned()), spans);
    system.push(&[&away], &[1]).await;
    system.push(&[&back], &[1]).await;
    let last = system.store(GROUP, 99, "last");
    system.push(&[&last], &[1]).await;
    assert!(ada.line().await.ends_with("text=last"));
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}
