//! The gateway beside services of the original system, and beside ours with what the original
//! publishes.

mod beside_ours;

use std::sync::Arc;
use std::time::Duration;

use im_common::original::{channel, route_key};
use im_common::{Deps, Target};
use im_gateway::Config;
use mpim_proto::C2cMsg;
use mprpc::Status;
use mprpc::discovery::ZooKeeper;
use prost::Message as _;
use redis::AsyncCommands as _;
use test_servers::PrivateRedis;
use tokio::sync::Semaphore;

use crate::client::{Client, SOON, texts};
use crate::fakes::original::{Original, register, targets};
use crate::fakes::{Asked, Fault};
use crate::system::System;

/// How often routes are renewed, unless a test is about what happens between renewals.
const OFTEN_MS: u32 = 100;

/// A gateway named `ours` with the mode on, before services of the original, or of ours.
struct World {
    system: System,
    server: PrivateRedis,
    redis: redis::Client,
}

impl World {
    async fn beside_the_original() -> Option<Self> {
        Self::with(true, OFTEN_MS, None).await
    }

    async fn beside_ours() -> Option<Self> {
        Self::with(false, OFTEN_MS, None).await
    }

    /// One that puts no route back while a test looks.
    async fn beside_ours_renewing_seldom() -> Option<Self> {
        Self::with(false, 30_000, None).await
    }

    /// Beside services of the original that are found in ZooKeeper, below `root`.
    async fn in_zookeeper(root: &str) -> Option<Self> {
        let zookeeper = ZooKeeper::builder(root).build().unwrap();
        Self::with(true, OFTEN_MS, Some(zookeeper)).await
    }

    async fn with(
        original: bool,
        renew_interval_ms: u32,
        zookeeper: Option<ZooKeeper>,
    ) -> Option<Self> {
        let server = PrivateRedis::start().await?;
        let url = server.server().url();
        let in_zookeeper = zookeeper.is_some();
        let deps = Deps { zookeeper, ..Deps::default() };
        let configure = |config: &mut Config, services| {
            config.gateway_id = "ours".to_owned();
            config.redis.metadata_url = url.parse().unwrap();
            config.redis.queue_url = url.parse().unwrap();
            // Patient: the machine may be busy with other tests.
            config.redis.shared.response_timeout_ms = 60_000;
            config.original.enabled = true;
            config.original.renew_interval_ms = renew_interval_ms;
            config.calls.retry_ms = 100;
            if in_zookeeper {
                let target = || Target::try_from("zk://".to_owned()).unwrap();
                config.targets.user = target();
                config.targets.message = target();
                config.targets.presence = target();
                config.targets.group = target();
            } else if original {
                let [user, message, presence, group] = targets(services);
                config.targets.user = user;
                config.targets.message = message;
                config.targets.presence = presence;
                config.targets.group = group;
            }
        };
        let system = System::with_services(configure, deps).await;
        if original {
            system.fakes.state().original = Some(Original::new(&url));
        }
        let redis = redis::Client::open(url).unwrap();
        let world = Self { system, server, redis };
        world.until_subscribed().await;
        Some(world)
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        test_servers::redis_connection(&self.redis).await.unwrap()
    }

    async fn publish(&self, payload: &[u8]) -> i64 {
        self.connection().await.publish(channel("ours"), payload).await.unwrap()
    }

    async fn until_subscribed(&self) {
        let wait = async {
            while self.publish(b"").await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("the gateway listens within 10 s");
    }

    async fn route(&self, user_id: i64) -> Option<String> {
        self.connection().await.get(route_key(user_id)).await.unwrap()
    }

    async fn until_route(&self, user_id: i64, wanted: Option<&str>) {
        let wait = async {
            while self.route(user_id).await.as_deref() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(SOON, wait).await;
        assert!(waited.is_ok(), "the route of {user_id} is not {wanted:?} within 10 s");
    }

    async fn direct(&self, msg_id: i64, to: i64, text: &str) {
        let msg = C2cMsg { msg_id, from: 9, to, ts_ms: 5, text: text.to_owned() };
        assert_eq!(self.publish(&msg.encode_to_vec()).await, 1);
    }
}

/// What a `PULL` shows.
async fn pull(client: &mut Client) -> Vec<String> {
    let mut lines = client.ask_all("PULL").await;
    assert_eq!(lines.pop().unwrap(), "+OK pull_done");
    texts(&lines).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn people_chat_through_services_of_the_original() {
    let Some(world) = World::beside_the_original().await else { return };
    let (mut one, mut two) =
        (world.system.register("one").await, world.system.register("two").await);
    assert_eq!(one.ask("SEND 2 hello").await, "+OK msg_id=1");
    let line = two.line().await;
    assert!(line.starts_with("MSG id=0 from=1 ts=") && line.ends_with(" text=hello"), "{line}");
    one.send(b"SEND 2 a\nSEND 2 b\nSEND 2 c\n").await;
    assert_eq!(one.lines(3).await, ["+OK msg_id=2", "+OK msg_id=3", "+OK msg_id=4"]);
    assert_eq!(texts(&two.lines(3).await), ["a", "b", "c"]);
    assert_eq!(pull(&mut two).await, [""; 0]);
}

#[tokio::test]
async fn what_was_missed_comes_after_the_log_in_and_by_pull() {
    let Some(world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    let mut two = world.system.register("two").await;
    assert_eq!(two.ask("LOGOUT").await, "+OK logout success");
    world.until_route(2, None).await;
    for text in ["a", "b"] {
        assert!(one.ask(&format!("SEND 2 {text}")).await.starts_with("+OK"));
    }
    assert_eq!(two.ask("LOGIN two password").await, "+OK uid=2");
    assert_eq!(texts(&two.lines(2).await), ["a", "b"]);
    assert_eq!(pull(&mut two).await, [""; 0]);
    // It waits although the user is there: their route was lost for a moment.
    let _: () = world.connection().await.del(route_key(2)).await.unwrap();
    assert!(one.ask("SEND 2 c").await.starts_with("+OK"));
    let pulled = pull(&mut two).await;
    assert!(pulled == ["c"] || (pulled.is_empty() && texts(&[two.line().await]) == ["c"]));
}

#[tokio::test]
async fn friends_and_groups_are_as_ever_and_what_the_fleet_cannot_do_says_so() {
    let Some(world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    let mut two = world.system.register("two").await;
    for (command, reply) in [
        ("ADDFRIEND 2", "+OK friend added"),
        ("GETFRIENDS", "+OK friends: 2"),
        ("REMOVEFRIEND 2", "+OK friend removed"),
        ("CREATEGROUP team", "+OK group_id=1"),
        ("GROUPS", "+OK groups: 1"),
        ("MEMBERS 1", "+OK members: 1"),
        ("WHOAMI", "+OK uid=1"),
        ("HISTORY 2 0 10", "-ERR not supported by this fleet"),
        ("SENDID mine 2 hello", "-ERR not supported by this fleet"),
        ("SENDGROUP 1 first", "+OK group_msg_id=1"),
    ] {
        assert_eq!(one.ask(command).await, reply, "{command}");
    }
    // The original hands out the messages of all groups to whoever comes first.
    assert_eq!(pull(&mut two).await, [""; 0], "two is in no group");
    assert_eq!(two.ask("JOINGROUP 1").await, "+OK joined group");
    assert_eq!(one.ask("SENDGROUP 1 second").await, "+OK group_msg_id=2");
    assert_eq!(pull(&mut two).await, ["second"]);
    assert_eq!(two.ask("LEAVEGROUP 1").await, "+OK left group");
}

#[tokio::test]
async fn whoever_goes_can_log_in_again_and_a_second_log_in_is_the_original_s_to_refuse() {
    let Some(world) = World::beside_the_original().await else { return };
    let log_outs = async |count: usize| {
        let revoked = |asked: &&Asked| **asked == Asked::Revoke("tok_1".to_owned());
        let enough =
            |state: &crate::fakes::State| state.asked.iter().filter(revoked).count() == count;
        world.system.until("a log-out", enough).await;
    };
    let mut registered = world.system.register("one").await;
    // Registering is not being online, for the original: this one is let in.
    let logged_in = world.system.log_in("one").await;
    assert_eq!(registered.line().await, "-ERR closing logged in elsewhere");
    log_outs(1).await;
    drop(logged_in);
    log_outs(2).await;
    let mut again = world.system.log_in("one").await;
    let mut refused = world.system.connect().await;
    assert_eq!(refused.ask("LOGIN one password").await, "-ERR auth user already online");
    assert_eq!(again.ask("WHOAMI").await, "+OK uid=1");
    drop(again);
    log_outs(3).await;
    assert_eq!(refused.ask("LOGIN one password").await, "+OK uid=1");
}

#[tokio::test]
async fn who_breaks_off_while_logging_in_can_log_in_again() {
    let Some(world) = World::beside_the_original().await else { return };
    world.system.register("one").await.ask("LOGOUT").await;
    let gate = Arc::new(Semaphore::new(0));
    world.system.fakes.fault("bind_route", Fault::Waits(Arc::clone(&gate)));
    let mut gone = world.system.connect().await;
    gone.send(b"LOGIN one password\n").await;
    let is_online = |state: &crate::fakes::State| {
        state.original.as_ref().is_some_and(|original| original.online.contains(&1))
    };
    world.system.until("the log-in", is_online).await;
    // A reset, not an end: nobody waits for the reply.
    let gone = gone.into_stream();
    socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    world.system.until("the log-out", |state| !is_online(state)).await;
    world.system.fakes.heal();
    world.system.log_in("one").await;
}

#[tokio::test]
async fn who_breaks_off_before_the_log_in_is_answered_can_log_in_again() {
    let Some(world) = World::beside_the_original().await else { return };
    world.system.register("one").await.ask("LOGOUT").await;
    let log_outs = |state: &crate::fakes::State| {
        state.asked.iter().filter(|asked| **asked == Asked::Revoke("tok_1".to_owned())).count()
    };
    world.system.until("both log-outs of a session", |state| log_outs(state) == 2).await;
    let gate = Arc::new(Semaphore::new(0));
    world.system.fakes.fault("login", Fault::Waits(Arc::clone(&gate)));
    let mut gone = world.system.connect().await;
    gone.send(b"LOGIN one password\n").await;
    let asked = Asked::Login("one".to_owned());
    world.system.until("the log-in", |state| state.asked.contains(&asked)).await;
    let gone = gone.into_stream();
    socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    // When somebody who came later is answered, the gateway has seen this one go.
    assert_eq!(world.system.connect().await.ask("PING").await, "+OK pong");
    gate.add_permits(1);
    world.system.until("the log-out", |state| log_outs(state) == 3).await;
    world.system.fakes.heal();
    world.system.log_in("one").await;
}

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_not_sent_again() {
    let Some(world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    world.system.fakes.fault("send", Fault::Mute(1, Status::internal("lost")));
    let reply = one.ask("SEND 2 a").await;
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert_eq!(world.system.fakes.state().original.as_ref().unwrap().sent, 1);
}

#[tokio::test]
async fn a_pull_that_fails_is_told_and_tried_again() {
    let Some(world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    let mut two = world.system.register("two").await;
    two.ask("LOGOUT").await;
    world.until_route(2, None).await;
    one.ask("SEND 2 hello").await;
    world.system.fakes.fault("pull_offline", Fault::Fails(2, Status::internal("no")));
    assert_eq!(two.ask("LOGIN two password").await, "+OK uid=2");
    assert_eq!(texts(&[two.line().await]), ["hello"]);
}

#[tokio::test]
async fn redis_may_go_and_come_back() {
    let Some(mut world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    let mut two = world.system.register("two").await;
    world.server.kill().await;
    assert_eq!(one.ask("SEND 2 while it is away").await, "+OK msg_id=1");
    assert_eq!(one.ask("PING").await, "+OK pong");
    world.server.start_again().await;
    world.until_subscribed().await;
    world.until_route(2, Some("ours")).await;
    // What waited comes by itself, since pushes may have been missed.
    assert_eq!(texts(&[two.line().await]), ["while it is away"]);
    assert_eq!(one.ask("SEND 2 back").await, "+OK msg_id=2");
    assert_eq!(texts(&[two.line().await]), ["back"]);
}

#[tokio::test]
async fn beside_an_original_im_presence_a_route_elsewhere_ends_the_session() {
    let Some(world) = World::beside_the_original().await else { return };
    let mut one = world.system.register("one").await;
    let _: () = world.connection().await.set(route_key(1), "theirs").await.unwrap();
    assert_eq!(one.line().await, "-ERR closing logged in elsewhere");
    assert_eq!(world.route(1).await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn services_of_the_original_are_found_in_zookeeper_and_may_come_later() {
    let Some(zookeeper) = test_servers::zookeeper().await else { return };
    let root = zookeeper.fresh_root().await;
    let Some(world) = World::in_zookeeper(&root).await else { return };
    let mut one = world.system.connect().await;
    let reply = one.ask("REGISTER one password").await;
    assert_eq!(reply, "-ERR unavailable, try again", "nobody is there");
    let registered = register(&root, world.system.services).await;
    let wait = async {
        // They are found one after the other: who was registered may still not be let in.
        let mut command = "REGISTER one password";
        loop {
            match one.ask(command).await.as_str() {
                "+OK uid=1" => break,
                "-ERR exists" => command = "LOGIN one password",
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("they are found within 10 s");
    let mut two = world.system.register("two").await;
    assert_eq!(one.ask("SEND 2 hello").await, "+OK msg_id=1");
    assert_eq!(texts(&[two.line().await]), ["hello"]);
    assert_eq!(two.ask("HISTORY 1 0 9").await, "-ERR not supported by this fleet");
    assert_eq!(pull(&mut two).await, [""; 0]);
    drop(registered);
}
