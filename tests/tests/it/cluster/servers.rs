//! ZooKeeper, MariaDB and Redis are away for a while, or forget, while people talk.

use std::collections::BTreeMap;
use std::time::Duration;

use mpim_proto::{QueryRouteReq, presence_service};
use mpim_tests::{
    Instance, PASSWORD, Service, Stack, get, is_ready, is_waiting_for, register_two, until,
};
use mprpc::Context;
use rustix::process::Signal;
use test_servers::ZooKeeperEnsemble;
use tokio::time::sleep;

use super::{BEHIND_THE_GATEWAY, holds_without_an_error, process, talking, talking_within};
use crate::faults::JOINS;

/// How long ZooKeeper is away: many times what anything waits for it.
const AWAY: Duration = Duration::from_secs(60);
/// What an instance of im-presence measures once it has heard of two gateways.
const BOTH_GATEWAYS: &str = "mpim_presence_links{queue=\"direct\"} 2";

/// The sessions that own the nodes of instances, once each of the ten instances is registered.
async fn all_sessions(root: &str) -> BTreeMap<String, i64> {
    until("every instance is registered", async || match super::znodes::sessions(root).await {
        sessions if sessions.len() >= 10 => Ok(sessions),
        sessions => Err(format!("{sessions:?}")),
    })
    .await
}

#[tokio::test]
async fn while_zookeeper_is_stopped_everybody_talks_on_and_instances_may_be_killed() {
    let Some(builder) = Stack::cluster_on_its_own_servers().await else { return };
    let builder = builder.instances(2).set_everywhere("zookeeper.session_timeout_ms", 4_000);
    let (mut stack, load) = talking(builder).await;
    stack.servers().zookeeper().stop().await;
    // Not a wait for something: that nothing happens for so long is what is tested.
    sleep(AWAY).await;
    load.flows().await;
    for service in BEHIND_THE_GATEWAY {
        stack.kill(process(service, 1)).await;
        load.flows().await;
    }
    stack.servers().zookeeper().start_again().await;
    for service in BEHIND_THE_GATEWAY {
        stack.restart(process(service, 1)).await;
    }
    load.flows().await;
    // Those that came back can be relied on alone: so they were found again.
    for service in BEHIND_THE_GATEWAY {
        stack.kill(process(service, 2)).await;
        load.flows().await;
    }
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn while_zookeeper_is_stopped_a_process_starts_with_what_it_was_told_last() {
    let Some(builder) = Stack::cluster_on_its_own_servers().await else { return };
    let mut stack = builder.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    stack.servers().zookeeper().stop().await;
    for service in [Service::Gateway, Service::Message] {
        let process = process(service, 1);
        stack.stop(&process).await;
        stack.restart(&process).await;
    }
    ada.log_in(&stack).await;
    bob.log_in(&stack).await;
    let id = ada.send(bob.uid, "found without ZooKeeper").await;
    assert_eq!(bob.client.push().await.id, id);
    stack.servers().zookeeper().start_again().await;
    for service in Service::ALL {
        is_ready(stack.admin_address(Instance { service, number: 1 })).await;
    }
    let id = bob.send(ada.uid, "and with it").await;
    assert_eq!(ada.client.push().await.id, id);
}

#[tokio::test]
async fn sessions_that_expired_are_replaced_and_everybody_is_registered_again() {
    let Some(builder) = Stack::cluster_on_its_own_servers().await else { return };
    let builder = builder.instances(2).set_everywhere("zookeeper.session_timeout_ms", 2_000);
    let (mut stack, load) = talking(builder).await;
    let root = stack.servers().zookeeper_root().to_owned();
    all_sessions(&root).await;
    stack.servers().zookeeper().pause();
    // Longer than a session lives without being heard of.
    sleep(Duration::from_secs(6)).await;
    load.flows().await;
    stack.servers().zookeeper().resume();
    // By a new session or the old one.
    all_sessions(&root).await;
    load.flows().await;
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn when_the_leading_zookeeper_of_three_dies_no_call_fails_and_everybody_is_registered() {
    let (Some(mut ensemble), Some(builder)) =
        (ZooKeeperEnsemble::start().await, Stack::cluster().await)
    else {
        return;
    };
    let root = ensemble.server(0).server().fresh_root().await;
    let (_, path) = root.split_once('/').unwrap();
    let root = format!("{}/{path}", ensemble.hosts());
    let builder = builder.instances(2).set_everywhere("zookeeper.hosts", &root);
    let (mut stack, load) = talking(builder).await;
    let before = all_sessions(&root).await;
    let leader = ensemble.leader().await;
    ensemble.server(leader).kill().await;
    load.flows().await;
    ensemble.leader().await;
    // Whoever comes now registers with those that are left.
    stack.kill(process(Service::Message, 1)).await;
    stack.restart(process(Service::Message, 1)).await;
    let are_registered = async || match super::znodes::sessions(&root).await {
        // Nodes of those that cannot come back go one after the other.
        sessions if sessions.len() >= before.len() && sessions != before => Ok(()),
        sessions => Err(format!("{sessions:?}")),
    };
    until("every instance is registered", are_registered).await;
    ensemble.server(leader).start_again().await;
    load.flows().await;
    until("every instance is registered", are_registered).await;
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn redis_that_was_killed_and_has_forgotten_everything_costs_nothing_that_was_acknowledged() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    for _ in 0..2 {
        stack.servers().redis().kill().await;
        load.flows().await;
        stack.servers().redis().start_again().await;
        load.flows().await;
    }
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn without_redis_who_is_there_chats_on_and_who_is_not_logs_in() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for number in [1, 2] {
        let instance = Instance { service: Service::Presence, number };
        until("both gateways are known to each instance", async || {
            let said = get(stack.admin_address(instance), "/metrics").await;
            match &said {
                Ok((200, metrics)) if metrics.contains(BOTH_GATEWAYS) => Ok(()),
                _ => Err(format!("{said:?}")),
            }
        })
        .await;
    }
    stack.servers().redis().kill().await;
    let mut id = ada.send(bob.uid, "without Redis").await;
    assert_eq!(bob.client.push().await.id, id);
    // At the same gateway and at another one; the older session ends.
    for gateway in [1, 2, 1] {
        let mut old = std::mem::replace(&mut bob.client, stack.connect_to(gateway).await);
        bob.client.expect(&format!("LOGIN bob {PASSWORD}"), "+OK uid=2").await;
        assert_eq!(old.rest().await, ["-ERR closing logged in elsewhere"]);
        id = ada.send(bob.uid, "to the newer session").await;
        assert_eq!(bob.client.push().await.id, id);
    }
    // One whose gateway does not hear of it ends once Redis is back.
    let frozen = process(Service::Gateway, 1);
    stack.process(&frozen).signal(Signal::STOP);
    let mut old = std::mem::replace(&mut bob.client, stack.connect_to(2).await);
    bob.client.expect(&format!("LOGIN bob {PASSWORD}"), "+OK uid=2").await;
    stack.servers().redis().start_again().await;
    let presence = presence_service::Client::new(&stack.channel_to(Service::Presence));
    until("bob has a route", async || {
        let cx = Context::with_timeout(Duration::from_secs(5));
        let asked = QueryRouteReq { user_id: bob.uid };
        match presence.query_route(&cx, asked).await {
            Ok(answer) if !answer.gateway_id.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    stack.process(&frozen).signal(Signal::CONT);
    assert_eq!(old.rest().await, ["-ERR closing logged in elsewhere"]);
    let last = ada.send(bob.uid, "with Redis").await;
    let mut shown = bob.client.push().await.id;
    if shown == id {
        // The frozen gateway may not have stored that the older session has it.
        shown = bob.client.push().await.id;
    }
    assert_eq!(shown, last);
}

#[tokio::test]
async fn a_frozen_redis_holds_nobody_up_for_long() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking_within(10_000, builder.instances(2)).await;
    stack.servers().redis().pause();
    load.flows().await;
    stack.servers().redis().resume();
    load.flows().await;
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn mariadb_that_was_killed_and_restarted_has_everything_that_was_acknowledged() {
    let Some(builder) = Stack::cluster_on_its_own_servers().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    for stop in [false, true] {
        let mariadb = stack.servers().mariadb();
        if stop {
            mariadb.stop().await;
        } else {
            mariadb.kill().await;
        }
        for service in [Service::User, Service::Message, Service::Group] {
            let instance = Instance { service, number: 1 };
            is_waiting_for(stack.admin_address(instance), &["database"]).await;
        }
        stack.servers().mariadb().start_again().await;
        load.flows().await;
        for service in [Service::User, Service::Message, Service::Group] {
            for number in [1, 2] {
                is_ready(stack.admin_address(Instance { service, number })).await;
            }
        }
    }
    load.finish(JOINS).await.assert_holds();
}

#[tokio::test]
async fn without_mariadb_presence_and_gateways_stay_ready() {
    let Some(builder) = Stack::cluster_on_its_own_servers().await else { return };
    let mut stack = builder.start().await;
    let (mut ada, _bob) = register_two(&stack).await;
    stack.servers().mariadb().kill().await;
    let message = Instance { service: Service::Message, number: 1 };
    is_waiting_for(stack.admin_address(message), &["database"]).await;
    for service in [Service::Presence, Service::Gateway] {
        is_ready(stack.admin_address(Instance { service, number: 1 })).await;
    }
    let reply = ada.client.ask("SEND 2 never a false +OK").await;
    assert_eq!(reply, "-ERR unavailable, try again");
    stack.servers().mariadb().start_again().await;
    for service in [Service::User, Service::Group, Service::Message] {
        is_ready(stack.admin_address(Instance { service, number: 1 })).await;
    }
    ada.send(2, "taken again").await;
}
