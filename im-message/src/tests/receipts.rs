//! Receipts: what senders are told of how far others are, and what comes with a request from outside.

use mpim_proto::event::Content;
use mpim_proto::message_service::Server as _;
use mpim_proto::{
    AdvanceCursorsReq, AdvanceForManyReq, CursorMove, Event, EventDelivery, MarkReadReq, Outgoing,
    ReceiptEvent, SendBatchReq, send_batch_req,
};
use mprpc::Code;

use super::*;
use crate::store::{Blocks as _, Timeline as _};

impl World {
    async fn send_with_receipts(&self, from: i64, to: send_batch_req::To, text: &str) {
        let message = Outgoing { text: text.to_owned(), ..Outgoing::default() };
        let request = SendBatchReq {
            from,
            to: Some(to),
            messages: vec![message],
            receipts: true,
            ..SendBatchReq::default()
        };
        let answer = self.service.send_batch(&cx(), request).await.unwrap();
        assert_eq!(said(answer.outcomes[0].result.clone()), "ok");
    }

    async fn has(&self, user_id: i64, conv_id: &str, seq: i64) {
        let request = advance(user_id, "text", conv_id, seq);
        let answer = self.service.advance_cursors(&cx(), request).await.unwrap();
        assert_eq!(said(answer.result), "ok");
    }

    async fn reads(&self, user_id: i64, conv_id: &str, seq: i64) {
        let request = MarkReadReq { user_id, conv_id: conv_id.to_owned(), seq };
        let answer = self.service.mark_read(&cx(), request).await.unwrap();
        assert_eq!(said(answer.result), "ok");
    }

    /// What was told once there is anything after what was told before.
    async fn told(&self, before: usize) -> Vec<EventDelivery> {
        self.presence.until("a receipt", |presence| presence.events().len() > before).await;
        self.presence.events().split_off(before)
    }
}

fn advance(user_id: i64, device: &str, conv_id: &str, seq: i64) -> AdvanceCursorsReq {
    let moves = vec![CursorMove { conv_id: conv_id.to_owned(), seq }];
    AdvanceCursorsReq { user_id, device: device.to_owned(), moves }
}

fn receipt(
    user_id: i64,
    group_id: i64,
    (delivered_seq, read_seq): (i64, i64),
    recipients: &[i64],
) -> EventDelivery {
    let receipt = ReceiptEvent { user_id, group_id, delivered_seq, read_seq };
    let content = Some(Content::Receipt(receipt));
    EventDelivery { event: Some(Event { content }), recipients: recipients.to_vec() }
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_wants_to_know_is_told_of_what_arrived_and_of_what_was_read() {
    let world = World::new();
    world.send(1, 2, "nobody asks about this one").await;
    world.has(2, "c2c_1_2", 1).await;
    world.reads(2, "c2c_1_2", 1).await;
    world.send_with_receipts(1, send_batch_req::To::ToUser(2), "hello").await;
    world.has(2, "c2c_1_2", 2).await;
    assert_eq!(world.told(0).await, [receipt(2, 0, (2, 0), &[1])]);
    let move_of_many = AdvanceForManyReq { devices: vec![advance(2, "mobile:a", "c2c_1_2", 2)] };
    world.service.advance_for_many(&cx(), move_of_many).await.unwrap();
    world.reads(2, "c2c_1_2", 2).await;
    assert_eq!(
        world.told(1).await,
        [receipt(2, 0, (0, 2), &[1])],
        "the other device changes nothing"
    );
    // One's own cursor tells nobody anything.
    world.has(1, "c2c_1_2", 2).await;
    world.send_with_receipts(1, send_batch_req::To::ToUser(2), "again").await;
    world.has(2, "c2c_1_2", 3).await;
    assert_eq!(world.told(2).await, [receipt(2, 0, (3, 0), &[1])]);
}

#[tokio::test(start_paused = true)]
async fn in_a_group_the_authors_of_what_was_come_past_are_told() {
    let world = World::new();
    for user_id in [1, 2, 3, 4] {
        world.join(user_id, 5).await;
    }
    for author in [1, 3] {
        world.send_with_receipts(author, send_batch_req::To::ToGroup(5), "all").await;
    }
    world.has(4, "grp_5", 5).await;
    assert_eq!(world.told(0).await, [receipt(4, 5, (5, 0), &[1])]);
    world.has(4, "grp_5", 6).await;
    assert_eq!(world.told(1).await, [receipt(4, 5, (6, 0), &[3])]);
    world.reads(2, "grp_5", 6).await;
    assert_eq!(world.told(2).await, [receipt(2, 5, (0, 6), &[1, 3])]);
    world.has(3, "grp_5", 6).await;
    assert_eq!(world.told(3).await, [receipt(3, 5, (6, 0), &[1])], "not of one's own");
}

#[tokio::test(start_paused = true)]
async fn who_is_shut_out_is_not_told() {
    let world = World::new();
    world.send_with_receipts(1, send_batch_req::To::ToUser(2), "hello").await;
    world.send_with_receipts(3, send_batch_req::To::ToUser(2), "hello").await;
    world.store.block(2, 1, NOW_MS, 9).await.unwrap();
    world.has(2, "c2c_1_2", 1).await;
    world.has(2, "c2c_2_3", 1).await;
    assert_eq!(world.told(0).await, [receipt(2, 0, (1, 0), &[3])]);
}

#[tokio::test(start_paused = true)]
async fn who_left_a_group_is_not_told() {
    let world = World::new();
    for user_id in [1, 2, 3] {
        world.join(user_id, 5).await;
    }
    for author in [1, 3] {
        world.send_with_receipts(author, send_batch_req::To::ToGroup(5), "all").await;
    }
    world.leave(1, 5).await;
    world.has(2, "grp_5", 5).await;
    assert_eq!(world.told(0).await, [receipt(2, 5, (5, 0), &[3])]);
    world.join(1, 5).await;
    world.reads(2, "grp_5", 5).await;
    assert_eq!(world.told(1).await, [receipt(2, 5, (0, 5), &[1, 3])], "who came back may ask, too");
}

/// im-presence takes no events, and as many wait as may: cursors move as if there were none.
#[tokio::test(start_paused = true)]
async fn receipts_that_find_no_room_hold_up_no_cursor() {
    let world = World::with_one_lane(Model::new(), |config| {
        config.events.queue_max = 1;
        config.events.receipts_max = 1;
        config.events.timeout_ms = 60_000;
    });
    world.presence.close_events_gate();
    for seq in 1..=50 {
        world.send_with_receipts(1, send_batch_req::To::ToUser(2), "hello").await;
        world.has(2, "c2c_1_2", seq).await;
    }
    assert_eq!(world.presence.events(), []);
}

#[tokio::test(start_paused = true)]
async fn ids_from_outside_have_a_length() {
    let world = World::new();
    let too_long = "x".repeat(65);
    for change_id in ["", &too_long] {
        let change_id = change_id.to_owned();
        let change = MembershipChange::Join.into();
        let request = ChangeMembershipReq { group_id: 5, user_id: 1, change, change_id };
        let status = world.service.change_membership(&cx(), request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    world.change(MembershipChange::Join, 1, 5, &"x".repeat(64)).await;
    let long_device = format!("mobile:{}", "x".repeat(65));
    for device in [&*long_device, "fridge", "text:"] {
        let devices = vec![advance(1, device, "grp_5", 1)];
        let many = AdvanceForManyReq { devices: devices.clone() };
        let status = world.service.advance_for_many(&cx(), many).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{device}");
    }
    // Nothing stands for `text`, as everywhere.
    let many = AdvanceForManyReq { devices: vec![advance(1, "", "grp_5", 1)] };
    world.service.advance_for_many(&cx(), many).await.unwrap();
    let reader = crate::store::Reader { uid: 1, device: "text".to_owned() };
    assert_eq!(world.store.behind(&reader, None, 9).await.unwrap().unwrap(), (vec![], false));
}
