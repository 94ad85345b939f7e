//! Beside services of ours, with what the original publishes.

use mpim_proto::push::Content;
use mpim_proto::{C2cMsg, Push};

use super::*;

#[tokio::test]
async fn a_route_is_removed_at_the_log_out_unless_it_is_another_gateway_s() {
    // A renewal that was under way at the log-out would put the route back.
    let Some(world) = World::beside_ours_renewing_seldom().await else { return };
    let mut one = world.system.register("one").await;
    let mut two = world.system.register("two").await;
    world.until_route(1, Some("ours")).await;
    let _: () = world.connection().await.set(route_key(2), "theirs").await.unwrap();
    // Beside an im-presence of ours, the route says nothing about the session.
    assert_eq!(two.ask("PING").await, "+OK pong");
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("LOGOUT").await, "+OK logout success");
    }
    assert_eq!(world.route(1).await, None);
    assert_eq!(world.route(2).await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn junk_and_messages_for_nobody_are_dropped() {
    let Some(world) = World::beside_ours().await else { return };
    let mut one = world.system.register("one").await;
    assert_eq!(world.publish(b"\xFF\xFF\xFFjunk").await, 1);
    world.direct(7, 99, "for nobody").await;
    world.direct(8, 1, "hello").await;
    assert_eq!(one.line().await, "MSG id=8 from=9 ts=5 text=hello");
}

#[tokio::test]
async fn a_message_that_comes_as_an_entry_and_from_redis_is_shown_once() {
    let Some(mut world) = World::beside_ours().await else { return };
    let mut one = world.system.register("one").await;
    let first = world.system.store("c2c_1_9", 9, "entry first");
    world.system.push(&[&first], &[1]).await;
    assert_eq!(texts(&[one.line().await]), ["entry first"]);
    world.direct(first.msg_id, 1, "entry first").await;

    let second = world.system.store("c2c_1_9", 9, "direct first");
    world.direct(second.msg_id, 1, "direct first").await;
    assert_eq!(texts(&[one.line().await]), ["direct first"]);
    world.system.push(&[&second], &[1]).await;

    let content = Some(Content::Direct(C2cMsg {
        msg_id: second.msg_id,
        from: 9,
        to: 1,
        text: "direct first".to_owned(),
        ..C2cMsg::default()
    }));
    world.system.push_all(vec![Push { content, recipients: vec![1], ..Push::default() }]).await;
    assert_eq!(one.ask("PING").await, "+OK pong");
    assert_eq!(pull(&mut one).await, [""; 0]);
    world.system.cursor(1, "c2c_1_9", 2).await;
}

#[tokio::test]
async fn what_an_original_gateway_delivers_without_an_id_is_shown_as_the_entry_that_it_is() {
    let Some(mut world) = World::beside_ours().await else { return };
    let mut one = world.system.register("one").await;
    assert_eq!(pull(&mut one).await, [""; 0], "im-message is known");
    let first = world.system.store("c2c_1_9", 9, "entry first");
    world.system.push(&[&first], &[1]).await;
    world.direct(0, 1, "entry first").await;
    assert_eq!(texts(&[one.line().await]), ["entry first"]);
    // Its own push is lost.
    world.system.store("c2c_1_9", 9, "direct first");
    world.direct(0, 1, "direct first").await;
    let msg = C2cMsg { from: 9, to: 1, text: "direct first".to_owned(), ..C2cMsg::default() };
    let content = Some(Content::Direct(msg));
    world.system.push_all(vec![Push { content, recipients: vec![1], ..Push::default() }]).await;
    let line = one.line().await;
    assert!(line.starts_with("MSG id=2 ") && line.ends_with(" text=direct first"), "{line}");
    assert_eq!(pull(&mut one).await, [""; 0]);
}

#[tokio::test]
async fn what_was_published_before_redis_was_there_is_found() {
    let Some(server) = PrivateRedis::start().await else { return };
    let mut server = server;
    let url = server.server().url();
    server.kill().await;
    let system = System::with(|config| {
        config.redis.metadata_url = url.parse().unwrap();
        config.redis.queue_url = url.parse().unwrap();
        config.original.enabled = true;
    })
    .await;
    let mut one = system.register("one").await;
    assert_eq!(pull(&mut one).await, [""; 0]);
    system.store("c2c_1_9", 9, "hello");
    server.start_again().await;
    assert_eq!(texts(&[one.line().await]), ["hello"]);
}

#[tokio::test]
async fn what_came_from_redis_alone_moves_the_timeline_on() {
    let Some(world) = World::beside_ours().await else { return };
    let mut one = world.system.register("one").await;
    world.system.until("the first sync", |state| state.asked.contains(&Asked::Behind(1))).await;
    let entry = world.system.store("c2c_1_9", 9, "hello");
    world.direct(entry.msg_id, 1, "hello").await;
    assert_eq!(texts(&[one.line().await]), ["hello"]);
    world.system.cursor(1, "c2c_1_9", 1).await;
    assert_eq!(pull(&mut one).await, [""; 0], "not again");
}
