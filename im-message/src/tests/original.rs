//! Beside gateways, and an im-presence, of the original system.

use mpim_proto::message_service::Server as _;
use mpim_proto::{GetPositionsReq, PullOfflineReq};

use super::*;

async fn pull(world: &World, user_id: i64) -> Vec<String> {
    let pulled = world.service.pull_offline(&cx(), PullOfflineReq { user_id }).await.unwrap();
    pulled.msg_list.into_iter().map(|message| message.text).collect()
}

async fn position(world: &World, user_id: i64) -> (i64, i64) {
    let conv_ids = vec!["c2c_1_2".to_owned()];
    let request = GetPositionsReq { user_id, device: "text".to_owned(), conv_ids };
    let positions = world.service.get_positions(&cx(), request).await.unwrap().positions;
    (positions[0].cursor, positions[0].head)
}

/// Sends, and waits until im-presence has it.
async fn send_and_dispatch(world: &World, from: i64, to: i64, text: &str) {
    let before = world.presence.delivered().len() + world.presence.delivered_one_by_one().len();
    assert_eq!(said(world.send(from, to, text).await.result), "ok");
    world
        .presence
        .until("the dispatch", |presence| {
            presence.delivered().len() + presence.delivered_one_by_one().len() > before
        })
        .await;
    // What follows the dispatch, too.
    for _ in 0..9 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_original_gateway_was_handed_is_acknowledged_by_the_next_pull() {
    let world = World::with_one_lane(Model::new(), |_| {});
    world.presence.put_at_original(&[1]);
    send_and_dispatch(&world, 2, 1, "one").await;
    send_and_dispatch(&world, 1, 2, "an answer").await;
    send_and_dispatch(&world, 2, 1, "two").await;
    assert_eq!(position(&world, 1).await, (0, 3), "given is not acknowledged");
    assert!(pull(&world, 1).await.is_empty());
    assert_eq!(position(&world, 1).await, (3, 3));
    assert_eq!(pull(&world, 2).await, ["an answer"], "2 was elsewhere");
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_before_is_not_passed_over() {
    let world = World::with_one_lane(Model::new(), |_| {});
    send_and_dispatch(&world, 2, 1, "missed").await;
    world.presence.put_at_original(&[1]);
    send_and_dispatch(&world, 2, 1, "handed over").await;
    assert_eq!(pull(&world, 1).await, ["missed", "handed over"]);
    assert!(pull(&world, 1).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_original_im_presence_is_asked_to_deliver_each_message_to_its_recipient() {
    let world = World::with_one_lane(Model::new(), |_| {});
    world.presence.become_original();
    world.presence.put_at_original(&[1]);
    for uid in [1, 2] {
        world.join(uid, 7).await;
    }
    world.send_group(2, 7, "not delivered").await;
    world.send(2, 2, "nor this").await;
    send_and_dispatch(&world, 2, 1, "hello").await;
    send_and_dispatch(&world, 1, 2, "who is not there").await;
    let delivered = world.presence.delivered_one_by_one();
    let delivered: Vec<_> = delivered.iter().map(|msg| (msg.to, msg.text.as_str())).collect();
    assert_eq!(delivered, [(1, "hello"), (2, "who is not there")]);
    assert!(pull(&world, 1).await.is_empty());
    assert_eq!(pull(&world, 2).await, ["who is not there"]);
}

#[tokio::test(start_paused = true)]
async fn beside_an_original_im_user_every_id_is_taken() {
    let world = World::new();
    world.users.become_original();
    assert_eq!(said(world.send(1, 77, "hello").await.result), "ok");
    assert_eq!(said(world.send(1, 0, "hello").await.result), "NotFound no such user");
}
