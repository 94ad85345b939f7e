//! `Signal`: what is told and not kept.

use mpim_proto::event::Content;
use mpim_proto::message_service::Server as _;
use mpim_proto::{Event, EventDelivery, SignalReq, TextEvent, TypingEvent, signal_req};
use mprpc::Code;

use super::*;
use crate::store::Blocks as _;

const TO_USER: fn(i64) -> signal_req::To = signal_req::To::ToUser;
const TO_GROUP: fn(i64) -> signal_req::To = signal_req::To::ToGroup;

impl World {
    async fn typing(&self, from: i64, to: signal_req::To) -> String {
        self.signal(from, to, signal_req::Content::Typing(true)).await
    }

    async fn whisper(&self, from: i64, to: signal_req::To, text: &str) -> String {
        self.signal(from, to, signal_req::Content::Text(text.to_owned())).await
    }

    async fn signal(&self, from: i64, to: signal_req::To, content: signal_req::Content) -> String {
        let request = SignalReq { from, to: Some(to), content: Some(content) };
        said(self.service.signal(&cx(), request).await.unwrap().result)
    }
}

fn typing(from: i64, group_id: i64, recipients: &[i64]) -> EventDelivery {
    let content = Some(Content::Typing(TypingEvent { from, group_id }));
    EventDelivery { event: Some(Event { content }), recipients: recipients.to_vec() }
}

#[tokio::test(start_paused = true)]
async fn the_others_are_told_who_is_typing_and_nothing_is_stored() {
    let world = World::new();
    for user_id in [1, 2, 3] {
        world.join(user_id, 5).await;
    }
    assert_eq!(world.typing(1, TO_USER(2)).await, "ok");
    assert_eq!(world.typing(3, TO_GROUP(5)).await, "ok");
    world.presence.until("two events", |presence| presence.events().len() == 2).await;
    let mut events = world.presence.events();
    events[1].recipients.sort_unstable();
    assert_eq!(events, [typing(1, 0, &[2]), typing(3, 5, &[1, 2])]);
    assert_eq!(world.send(1, 2, "hello").await.seq, 1, "the first of the conversation");
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_refused_where_a_message_would_be() {
    let world = World::new();
    for user_id in [1, 2] {
        world.join(user_id, 5).await;
    }
    world.leave(2, 5).await;
    for (from, to, expected) in [
        (0, TO_USER(2), "Invalid bad sender"),
        (1, TO_USER(77), "NotFound no such user"),
        (1, TO_USER(0), "NotFound no such user"),
        (1, TO_USER(-1), "NotFound no such user"),
        (3, TO_GROUP(5), "PermissionDenied not a member"),
        (2, TO_GROUP(5), "PermissionDenied not a member"),
        (1, TO_GROUP(6), "NotFound group not found"),
        (1, TO_GROUP(0), "NotFound group not found"),
    ] {
        assert_eq!(world.typing(from, to).await, expected, "{from} to {to:?}");
    }
    let (from, to) = (1, Some(TO_USER(2)));
    let content = Some(signal_req::Content::Typing(true));
    let to_nobody = SignalReq { from, to: None, content };
    for request in [to_nobody, SignalReq { from, to, content: None }] {
        let status = world.service.signal(&cx(), request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    world.store.block(2, 1, NOW_MS, 9).await.unwrap();
    assert_eq!(world.typing(1, TO_USER(2)).await, "PermissionDenied blocked");
    assert_eq!(world.presence.events(), []);
    world.store.block(2, 9, NOW_MS, 9).await.unwrap();
    assert_eq!(world.typing(3, TO_USER(2)).await, "ok", "others are shut out, not this one");
}

#[tokio::test(start_paused = true)]
async fn a_text_can_be_told_to_those_who_are_there_and_is_not_stored() {
    let world = World::with_one_lane(Model::new(), |config| config.text.bytes_max = 9);
    for (text, expected) in
        [("", "Invalid empty text"), ("0123456789", "TooLarge text too long"), ("012345678", "ok")]
    {
        assert_eq!(world.whisper(1, TO_USER(2), text).await, expected);
    }
    assert_eq!(world.whisper(1, TO_USER(77), "psst").await, "NotFound no such user");
    assert_eq!(world.whisper(1, TO_GROUP(5), "psst").await, "NotFound group not found");
    world.presence.until("the text", |presence| !presence.events().is_empty()).await;
    let said = TextEvent { from: 1, group_id: 0, text: "012345678".to_owned() };
    let event = Some(Event { content: Some(Content::Text(said)) });
    assert_eq!(world.presence.events(), [EventDelivery { event, recipients: vec![2] }]);
    assert_eq!(world.send(1, 2, "hello").await.seq, 1, "the first of the conversation");
}

#[tokio::test(start_paused = true)]
async fn in_a_large_group_nobody_is_told_who_is_typing() {
    let world = World::with_one_lane(Model::new(), |config| config.events.members_max = 2);
    for user_id in [1, 2, 3, 4] {
        world.join(user_id, 5).await;
    }
    assert_eq!(world.typing(1, TO_GROUP(5)).await, "ok");
    assert_eq!(world.typing(6, TO_GROUP(5)).await, "PermissionDenied not a member");
    world.leave(4, 5).await;
    assert_eq!(world.typing(1, TO_GROUP(5)).await, "ok");
    world.presence.until("an event", |presence| !presence.events().is_empty()).await;
    assert_eq!(world.presence.events()[0].recipients.len(), 2);
}

/// im-presence takes no events, and as many wait as may: messages go on as if there were none.
#[tokio::test(start_paused = true)]
async fn events_that_are_not_taken_are_dropped_and_hold_up_no_message() {
    let world = World::with_one_lane(Model::new(), |config| {
        config.events.queue_max = 2;
        config.events.timeout_ms = 60_000;
    });
    world.presence.close_events_gate();
    for _ in 0..100 {
        assert_eq!(world.typing(1, TO_USER(2)).await, "ok");
    }
    assert_eq!(world.send(1, 2, "hello").await.seq, 1);
    world.presence.until("the message", |presence| !presence.delivered().is_empty()).await;
    assert_eq!(world.presence.events(), []);
}
