//! Blocks, as callers see them.

use mpim_proto::{ListBlockedReq, SetBlockReq};
use mprpc::Code;

use super::*;

async fn set(world: &World, user_id: i64, other_id: i64, blocked: bool) -> String {
    let request = SetBlockReq { user_id, other_id, blocked };
    said(world.service.set_block(&cx(), request).await.unwrap().result)
}

async fn list(world: &World, after_user_id: i64, limit: i32) -> (Vec<i64>, bool) {
    let request = ListBlockedReq { user_id: 1, after_user_id, limit };
    let page = world.service.list_blocked(&cx(), request).await.unwrap();
    (page.user_ids, page.more)
}

#[tokio::test(start_paused = true)]
async fn a_blocked_sender_is_told_so_and_nobody_is_told_of_their_message() {
    let world = World::with_one_lane(Model::new(), |_| {});
    let before = world.send_as(2, 1, "k", "hello").await;
    assert_eq!(set(&world, 1, 2, true).await, "ok");
    assert_eq!(said(world.send(2, 1, "please").await.result), "Invalid blocked");
    let repeated = world.send_as(2, 1, "k", "hello").await;
    assert_eq!((repeated.msg_id, repeated.seq), (before.msg_id, before.seq));
    assert_eq!(world.send(1, 2, "the other way").await.seq, 2);
    assert_eq!(set(&world, 1, 2, false).await, "ok");
    assert_eq!(world.send(2, 1, "thank you").await.seq, 3);
    world.presence.until("the last", |presence| presence.delivered().len() == 3).await;
    let seqs: Vec<_> = world.presence.delivered().iter().map(|(_, seq, _)| *seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn bad_blocks_have_a_clear_answer_and_change_nothing() {
    let world = World::with_one_lane(Model::new(), |config| config.blocks.per_user_max = 2);
    for (user_id, other_id, blocked, answer) in [
        (1, 0, true, "Invalid bad uid"),
        (1, -5, true, "Invalid bad uid"),
        (0, 1, true, "Invalid bad uid"),
        (1, 1, true, "Invalid bad uid"),
        (1, i64::MAX, true, "NotFound no such user"),
        (1, i64::MIN, false, "Invalid bad uid"),
        (1, 1, false, "Invalid bad uid"),
        (1, 77, false, "NotFound no such user"),
        // Who is not shut out is let in: so a second try succeeds.
        (1, 2, false, "ok"),
    ] {
        assert_eq!(set(&world, user_id, other_id, blocked).await, answer, "{user_id} {other_id}");
    }
    assert_eq!(list(&world, 0, 10).await, (vec![], false));
    for (other_id, answer) in [(2, "ok"), (3, "ok"), (4, "Invalid too many blocked"), (3, "ok")] {
        assert_eq!(set(&world, 1, other_id, true).await, answer);
    }
    assert_eq!(list(&world, 0, 10).await, (vec![2, 3], false));
    assert_eq!(list(&world, 0, 1).await, (vec![2], true));
    assert_eq!(list(&world, 2, 0).await, (vec![3], false));
    assert_eq!(list(&world, i64::MAX, 0).await, (vec![], false));
    assert_eq!(said(world.send(4, 1, "hello").await.result), "ok");
}

#[tokio::test(start_paused = true)]
async fn blocking_somebody_unknown_waits_for_im_user_and_letting_in_does_not() {
    let world = World::new();
    assert_eq!(set(&world, 1, 2, true).await, "ok");
    world.users.set_down(true);
    let request = SetBlockReq { user_id: 1, other_id: 3, blocked: true };
    let failed = world.service.set_block(&cx(), request).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable, "{failed}");
    assert_eq!(set(&world, 1, 2, false).await, "ok");
}
