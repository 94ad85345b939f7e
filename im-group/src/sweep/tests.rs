//! What is left pending is finished, and nothing is done too often.

use std::time::Duration;

use im_common::Shutdown;
use mpim_proto::MembershipChange::{Join, Leave};

use super::Round;
use crate::store::{GroupStore as _, MemberKey};
use crate::testing::{Fixture, Mood};

/// Longer than any backoff and the head start of a caller.
const LATER_MS: i64 = 10_000;

#[tokio::test]
async fn a_change_that_a_crash_left_pending_is_finished_after_the_start() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.messages.set(Mood::Well);

    let fixture = fixture.reopen();
    fixture.clock.advance_ms(LATER_MS);
    assert_eq!(fixture.groups.sweep().await.unwrap(), Round::Done);
    assert_eq!(fixture.messages.changes(1, 7), [Join]);
    let calls = fixture.messages.calls();
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.calls(), calls, "what is finished is left alone");
}

#[tokio::test]
async fn the_sweep_keeps_the_order_of_a_members_changes() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    fixture.messages.set(Mood::Mute);
    fixture.try_join(1, 8).await.unwrap_err();
    fixture.messages.set(Mood::Unreachable);
    fixture.try_leave(1, 8).await.unwrap_err();
    fixture.try_join(1, 8).await.unwrap_err();
    fixture.messages.set(Mood::Well);

    fixture.clock.advance_ms(LATER_MS);
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.changes(1, 8), [Join, Leave, Join]);
}

#[tokio::test]
async fn a_caller_has_its_time_before_the_sweep_steps_in() {
    let fixture = Fixture::new();
    let member = MemberKey { group_id: 1, user_id: 7 };
    fixture.create(7, "rust").await;
    // The decision without what follows it: as if its caller had just died.
    let due_at_ms = fixture.groups.hand_over.due_at_ms();
    fixture.groups.store.leave(member, due_at_ms).await.unwrap();
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.changes(1, 7), [Join]);

    fixture.clock.advance_ms(due_at_ms - fixture.clock.now_ms());
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.changes(1, 7), [Join, Leave]);
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_hold_up_what_is_pending() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.messages.set(Mood::Well);
    fixture.clock.advance_ms(-3_600_000);
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.changes(1, 7), [Join]);
}

#[tokio::test]
async fn a_member_whose_turn_is_taken_is_left_alone() {
    let fixture = Fixture::new();
    let member = MemberKey { group_id: 1, user_id: 7 };
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    let calls = fixture.messages.calls();
    fixture.clock.advance_ms(LATER_MS);

    let turn = fixture.groups.changing.wait(&member).await;
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.calls(), calls);
    drop(turn);
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.calls(), calls + 1);
}

#[tokio::test]
async fn of_two_instances_that_sweep_at_once_one_tells_of_each_change() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Unreachable);
    for group in ["one", "two", "three", "four"] {
        fixture.try_create(7, group).await.unwrap_err();
    }
    fixture.messages.set(Mood::Well);
    fixture.clock.advance_ms(LATER_MS);
    let calls = fixture.messages.calls();
    let other = fixture.another_instance();
    // Turns are each instance's own, so they do not keep them apart.
    let (one, other) = tokio::join!(fixture.groups.sweep(), other.sweep());
    assert_eq!((one.unwrap(), other.unwrap()), (Round::Done, Round::Done));
    assert_eq!(fixture.messages.calls(), calls + 4);
}

#[tokio::test]
async fn a_batch_whose_turns_are_all_taken_is_not_swept_again_at_once() {
    let fixture = Fixture::with(|config| config.hand_over.sweep_batch_max = 1);
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.clock.advance_ms(LATER_MS);
    let _turn = fixture.groups.changing.wait(&MemberKey { group_id: 1, user_id: 7 }).await;
    assert_eq!(fixture.groups.sweep().await.unwrap(), Round::Done);
}

#[tokio::test]
async fn attempts_become_rarer_and_one_failure_ends_a_round() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Unreachable);
    for group in ["one", "two", "three"] {
        fixture.try_create(7, group).await.unwrap_err();
    }
    let attempts_within = async |ms: i64| {
        let before = fixture.messages.calls();
        for _ in 0..ms / 100 {
            fixture.clock.advance_ms(100);
            fixture.groups.sweep().await.unwrap();
        }
        fixture.messages.calls() - before
    };
    fixture.clock.advance_ms(LATER_MS);
    let before = fixture.messages.calls();
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.calls(), before + 1, "the others would only wait in vain");

    attempts_within(60_000).await;
    // Three changes, each every five seconds at most.
    let attempts = attempts_within(60_000).await;
    assert!((30..=36).contains(&attempts), "{attempts} attempts a minute");

    fixture.messages.set(Mood::Well);
    attempts_within(5_000).await;
    for group in 1..=3 {
        assert_eq!(fixture.messages.changes(group, 7), [Join]);
    }
}

#[tokio::test]
async fn one_refused_change_does_not_hold_up_the_others() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Refusing);
    fixture.try_create(7, "one").await.unwrap_err();
    fixture.try_create(7, "two").await.unwrap_err();
    let calls = fixture.messages.calls();
    fixture.clock.advance_ms(LATER_MS);
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.calls(), calls + 2);
}

#[tokio::test]
async fn a_refusal_is_said_once_whatever_failed_before_it() {
    let fixture = Fixture::new();
    let member = MemberKey { group_id: 1, user_id: 7 };
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.clock.advance_ms(LATER_MS);
    fixture.groups.sweep().await.unwrap();
    fixture.messages.set(Mood::Refusing);
    fixture.clock.advance_ms(LATER_MS);
    fixture.groups.sweep().await.unwrap();
    assert!(!fixture.groups.refusals.begins(member), "it was said");
    fixture.messages.set(Mood::Well);
    fixture.clock.advance_ms(LATER_MS);
    fixture.groups.sweep().await.unwrap();
    assert!(fixture.groups.refusals.begins(member), "the next one is another");
}

#[tokio::test]
async fn more_than_one_batch_is_swept_batch_by_batch() {
    let fixture = Fixture::with(|config| config.hand_over.sweep_batch_max = 2);
    fixture.messages.set(Mood::Unreachable);
    for group in ["one", "two", "three"] {
        fixture.try_create(7, group).await.unwrap_err();
    }
    fixture.messages.set(Mood::Well);
    fixture.clock.advance_ms(LATER_MS);
    assert_eq!(fixture.groups.sweep().await.unwrap(), Round::Full);
    assert_eq!(fixture.groups.sweep().await.unwrap(), Round::Done);
    assert_eq!(fixture.messages.changes(3, 7), [Join]);
}

#[tokio::test]
async fn the_sweep_ends_with_the_shutdown_even_if_im_message_is_stuck() {
    let fixture = Fixture::with(|config| config.hand_over.timeout_ms = 60_000);
    fixture.messages.set(Mood::Unreachable);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.clock.advance_ms(10 * LATER_MS);
    fixture.messages.set(Mood::Stuck);
    let calls = fixture.messages.calls();
    let shutdown = Shutdown::new();
    let groups = std::sync::Arc::clone(&fixture.groups);
    let sweeping = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { groups.sweep_until(&shutdown).await })
    };
    let called = async {
        while fixture.messages.calls() == calls {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), called).await.unwrap();
    shutdown.trigger();
    tokio::time::timeout(Duration::from_secs(60), sweeping).await.unwrap().unwrap();
}

#[tokio::test]
async fn beside_an_original_im_message_changes_are_made_and_handed_over_to_what_follows_it() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Original);
    let said = |answer: mpim_proto::Result| answer.msg;
    assert_eq!(said(fixture.create(7, "rust").await.result.unwrap()), "group created");
    assert_eq!(said(fixture.create(7, "rust").await.result.unwrap()), "exists");
    assert_eq!(said(fixture.join(1, 8).await), "joined group");
    assert_eq!(said(fixture.join(1, 8).await), "already in group");
    assert_eq!(said(fixture.leave(1, 8).await), "left group");
    assert_eq!(said(fixture.leave(1, 8).await), "not in group");
    fixture.clock.advance_ms(LATER_MS);
    assert_eq!(fixture.groups.sweep().await.unwrap(), Round::Done);

    fixture.messages.set(Mood::Well);
    fixture.clock.advance_ms(10 * LATER_MS);
    fixture.groups.sweep().await.unwrap();
    assert_eq!(fixture.messages.changes(1, 7), [Join]);
    assert_eq!(fixture.messages.changes(1, 8), [Join, Leave]);
}
