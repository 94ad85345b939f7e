//! `Send`, `SendGroup` and `ChangeMembership`.

use mpim_proto::message_service::Server as _;
use mprpc::Code;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_message_is_numbered_and_acknowledged() {
    let world = World::new();
    let first = world.send(1, 2, "hello").await;
    assert_eq!((said(first.result), first.seq), ("ok".to_owned(), 1));
    assert_eq!(first.msg_id, NOW_MS << 22);
    let answer = world.send(2, 1, "hello yourself").await;
    assert_eq!((answer.seq, answer.msg_id), (2, first.msg_id + 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_its_id_is_one_message_and_another_text_is_a_conflict() {
    let world = World::new();
    let first = world.send_as(1, 2, "k", "hello").await;
    let again = world.send_as(1, 2, "k", "hello").await;
    assert_eq!((again.seq, again.msg_id), (first.seq, first.msg_id));
    let other = world.send_as(1, 2, "k", "goodbye").await;
    assert_eq!(said(other.result), "Invalid conflict");
    assert_eq!((other.seq, other.msg_id), (0, 0));
    // Without an id, the same text is another message.
    assert_eq!(world.send(1, 2, "hello").await.seq, 2);
    assert_eq!(world.send(1, 2, "hello").await.seq, 3);
}

#[tokio::test(start_paused = true)]
async fn texts_that_are_empty_or_too_long_are_refused() {
    let world = World::new();
    for (text, expected) in [
        (String::new(), "Invalid empty text"),
        ("é".repeat(2048), "ok"),
        ("é".repeat(2048) + "!", "Invalid text too long"),
    ] {
        assert_eq!(said(world.send(1, 2, &text).await.result), expected, "{} bytes", text.len());
    }
    let long_id = world.send_as(1, 2, &"k".repeat(65), "hello").await;
    assert_eq!(said(long_id.result), "Invalid bad client_msg_id");
}

#[tokio::test(start_paused = true)]
async fn there_must_be_a_sender_and_a_receiver() {
    let world = World::new();
    assert_eq!(said(world.send(0, 2, "hello").await.result), "Invalid bad sender");
    for nobody in [77, 0, -2] {
        assert_eq!(said(world.send(1, nobody, "hello").await.result), "NotFound no such user");
    }
    let empty = world.service.send(&cx(), SendReq::default()).await.unwrap();
    assert_eq!(said(empty.result), "Invalid bad sender");
}

#[tokio::test(start_paused = true)]
async fn notes_to_oneself_are_a_conversation() {
    let world = World::new();
    assert_eq!(said(world.send(4, 4, "milk").await.result), "ok");
    assert_eq!(world.send(4, 4, "eggs").await.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn who_exists_is_asked_once_and_who_does_not_is_asked_again() {
    let world = World::new();
    for _ in 0..3 {
        world.send(1, 2, "hello").await;
    }
    assert_eq!(world.users.asked(), 1);
    for _ in 0..2 {
        assert_eq!(said(world.send(1, 77, "hello").await.result), "NotFound no such user");
    }
    assert_eq!(said(world.send(1, -77, "hello").await.result), "NotFound no such user");
    assert_eq!(world.users.asked(), 3, "nobody has an id below 1");
    world.users.register_id(77);
    assert_eq!(said(world.send(1, 77, "hello").await.result), "ok");
}

#[tokio::test(start_paused = true)]
async fn without_im_user_only_known_users_can_be_written_to() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    world.users.set_down(true);
    assert_eq!(said(world.send(1, 2, "still there?").await.result), "ok");
    let msg = C2cMsg { from: 1, to: 3, text: "hello".to_owned(), ..C2cMsg::default() };
    let request = SendReq { msg: Some(msg), ..SendReq::default() };
    let failed = world.service.send(&cx(), request).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable, "{failed}");
}

#[tokio::test(start_paused = true)]
async fn only_members_write_to_a_group() {
    let world = World::new();
    let nowhere = world.send_group(1, 7, "anyone?").await;
    assert_eq!(said(nowhere.result), "NotFound group not found");
    assert_eq!(said(world.send_group(1, -7, "?").await.result), "NotFound group not found");
    assert_eq!(world.join(1, 7).await.seq, 1);
    let sent = world.send_group(1, 7, "hello").await;
    assert_eq!((said(sent.result), sent.seq), ("ok".to_owned(), 2));
    assert_eq!(said(world.send_group(2, 7, "me too").await.result), "Invalid not a member");
    assert_eq!(world.leave(1, 7).await.seq, 3);
    assert_eq!(said(world.send_group(1, 7, "wait").await.result), "Invalid not a member");
}

#[tokio::test(start_paused = true)]
async fn a_membership_change_is_repeatable_by_its_id() {
    let world = World::new();
    for _ in 0..2 {
        let joined = world.change(MembershipChange::Join, 1, 7, "c1").await;
        assert_eq!((said(joined.result), joined.seq), ("ok".to_owned(), 1));
    }
    let second = world.change(MembershipChange::Join, 1, 7, "c2").await;
    assert_eq!(said(second.result), "AlreadyExists already in group");
    for _ in 0..2 {
        assert_eq!(world.change(MembershipChange::Leave, 1, 7, "c3").await.seq, 2);
    }
    let second = world.change(MembershipChange::Leave, 1, 7, "c4").await;
    assert_eq!(said(second.result), "Invalid not in group");
    let nowhere = world.change(MembershipChange::Leave, 1, 8, "c5").await;
    assert_eq!(said(nowhere.result), "NotFound group not found");
}

#[tokio::test(start_paused = true)]
async fn a_membership_change_without_id_user_or_group_is_a_bad_request() {
    let world = World::new();
    for (group_id, user_id, change_id) in [(0, 1, "c"), (7, 0, "c"), (7, 1, "")] {
        let change_id = change_id.to_owned();
        let request = ChangeMembershipReq { group_id, user_id, change: 0, change_id };
        let refused = world.service.change_membership(&cx(), request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}
