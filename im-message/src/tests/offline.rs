//! `PullOffline` and `Ack`, as original callers use them.

use mpim_proto::message_service::Server as _;
use mpim_proto::{AckReq, PullOfflineReq, PullOfflineResp};

use super::*;

async fn pull(world: &World, user_id: i64) -> PullOfflineResp {
    world.service.pull_offline(&cx(), PullOfflineReq { user_id }).await.unwrap()
}

async fn pull_texts(world: &World, user_id: i64) -> Vec<String> {
    let pulled = pull(world, user_id).await;
    assert_eq!(said(pulled.result), "ok");
    let direct = pulled.msg_list.into_iter().map(|message| message.text);
    direct.chain(pulled.group_msg_list.into_iter().map(|message| message.text)).collect()
}

async fn ack(world: &World, user_id: i64, msg_id_list: Vec<i64>) {
    world.service.ack(&cx(), AckReq { user_id, msg_id_list }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_messages_come_in_order_and_once() {
    let world = World::new();
    let first = world.send(2, 1, "one").await;
    world.send(3, 1, "of another").await;
    world.send(2, 1, "two").await;
    let pulled = pull(&world, 1).await;
    let texts: Vec<_> = pulled.msg_list.iter().map(|message| &message.text).collect();
    assert_eq!(texts, ["one", "two", "of another"]);
    let expected =
        C2cMsg { msg_id: first.msg_id, from: 2, to: 1, ts_ms: NOW_MS, text: "one".to_owned() };
    assert_eq!(pulled.msg_list[0], expected);
    assert!(pull_texts(&world, 1).await.is_empty());
    world.send(2, 1, "three").await;
    assert_eq!(pull_texts(&world, 1).await, ["three"]);
}

#[tokio::test(start_paused = true)]
async fn group_messages_wait_too_but_neither_ones_own_nor_who_came_and_went() {
    let world = World::new();
    for uid in [1, 2, 3] {
        world.join(uid, 7).await;
    }
    world.send_group(1, 7, "mine").await;
    let sent = world.send_group(2, 7, "theirs").await;
    world.leave(3, 7).await;
    world.send(1, 2, "mine too").await;
    let pulled = pull(&world, 1).await;
    assert!(pulled.msg_list.is_empty());
    let expected = GroupMsg {
        msg_id: sent.msg_id,
        from: 2,
        group_id: 7,
        ts_ms: NOW_MS,
        text: "theirs".to_owned(),
    };
    assert_eq!(pulled.group_msg_list, [expected]);
    assert!(pull_texts(&world, 1).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_pull_gives_at_most_500_and_the_next_goes_on() {
    let world = World::new();
    for n in 0..1_203 {
        world.send(2 + n % 2, 1, &n.to_string()).await;
    }
    let mut pulled = Vec::new();
    for expected in [500, 500, 203, 0] {
        let texts = pull_texts(&world, 1).await;
        assert_eq!(texts.len(), expected);
        pulled.extend(texts.into_iter().map(|text| text.parse::<i64>().unwrap()));
    }
    for parity in [0, 1] {
        let of_one: Vec<_> = pulled.iter().filter(|n| *n % 2 == parity).collect();
        assert!(of_one.is_sorted(), "{of_one:?}");
    }
    pulled.sort_unstable();
    assert_eq!(pulled, (0..1_203).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_user_who_wrote_thousands_is_pulled_for_in_steps() {
    let world = World::new();
    for n in 0..10_050 {
        world.send(1, 2, &n.to_string()).await;
    }
    world.send(2, 1, "stop").await;
    // The first looks at as many as it may, all of them their own.
    assert!(pull_texts(&world, 1).await.is_empty());
    assert_eq!(pull_texts(&world, 1).await, ["stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_was_never_followed_acknowledges_nothing() {
    let world = World::new();
    world.send(2, 1, "one").await;
    pull(&world, 1).await;
    let positions = mpim_proto::GetPositionsReq {
        user_id: 1,
        device: "text".to_owned(),
        conv_ids: vec!["c2c_1_2".to_owned()],
    };
    let found = world.service.get_positions(&cx(), positions).await.unwrap().positions;
    assert_eq!((found[0].cursor, found[0].head), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_ack_moves_over_the_contiguous_prefix_and_the_rest_comes_again() {
    let world = World::new();
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d"] {
        ids.push(world.send(2, 1, text).await.msg_id);
        world.send(1, 2, "an answer in between").await;
    }
    let of_another = world.send(3, 1, "e").await.msg_id;
    assert_eq!(pull_texts(&world, 1).await, ["a", "b", "c", "d", "e"]);
    // "c" is missing; the last one is not theirs to acknowledge, and 5 is nobody's.
    let foreign = world.send(4, 5, "secret").await.msg_id;
    ack(&world, 1, vec![ids[3], ids[0], ids[1], 5, foreign]).await;
    assert_eq!(pull_texts(&world, 1).await, ["c", "d", "e"]);
    ack(&world, 1, vec![ids[2], ids[3], of_another]).await;
    assert!(pull_texts(&world, 1).await.is_empty());
    // Nor did it harm the one it was not theirs.
    assert_eq!(pull_texts(&world, 5).await, ["secret"]);
}
