//! Outages that take a stack or a time of their own.

use std::time::Duration;

use mpim_proto::{QueryRouteReq, presence_service};
use mprpc::Context;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::people::two;
use super::{Scene, Spared, Struck};
use crate::{FramesClient, Instance, PASSWORD, Person, Service, Stack, until};

/// One call.
const CALL_MAX: Duration = Duration::from_secs(5);
/// A log-in in frames, and the answer of the refused ones.
const LOG_IN: u16 = 1001;
const LOG_OUT: u16 = 1003;
const REFUSED: u16 = 9001;

/// The master dies, its replica follows, and it comes back as a replica.
pub(super) async fn redis_failover(scene: &mut Scene<'_>) -> Struck {
    let (giver, taker) = two(scene).await;
    let stack = &mut scene.arena.stack;
    let token = dead_token(stack, &giver.name).await;
    let redis = stack.servers().watched_redis();
    redis.may_fail().await;
    let (first, killed) = (redis.master().await, Instant::now());
    redis.server(first).kill().await;
    let second = redis.master().await;
    let struck = Struck::now(format!("server {first}, followed in {:.1?}", killed.elapsed()));
    let mut struck = struck.spares(Spared::Everybody);
    assert_ne!(first, second, "the dead one is not the master");
    for person in [&giver, &taker] {
        has_a_route(stack, person).await;
    }
    struck.served = struck.healed.elapsed();
    sleep(scene.chance.ms(0..1_000)).await;
    // It believes to be the master, and is empty: nobody may go back to it.
    stack.servers().watched_redis().server(first).start_again().await;
    struck.healed = Instant::now();
    if is_let_in(stack, &token).await {
        struck.found.push("a token that was logged out lets somebody in".to_owned());
    }
    struck
}

/// The token of a log-in that is over.
async fn dead_token(stack: &Stack, name: &str) -> String {
    let mut client = FramesClient::connect(stack.frames_address()).await;
    let password = json!({
        "auth_type": "password", "username": name, "password": PASSWORD,
        "client_info": {"platform": "mobile", "device_id": "m"},
    });
    let (_, entered) = client.ask(LOG_IN, password).await;
    let token = entered["data"]["session_key"].as_str();
    let token = token.unwrap_or_else(|| panic!("no token in {entered}")).to_owned();
    client.ask(LOG_OUT, json!({})).await;
    assert!(!is_let_in(stack, &token).await, "the log-out was answered");
    token
}

async fn is_let_in(stack: &Stack, token: &str) -> bool {
    let mut client = FramesClient::connect(stack.frames_address()).await;
    let (kind, answer) = client.ask(LOG_IN, json!({"auth_type": "token", "token": token})).await;
    kind != REFUSED && answer["code"] == 0
}

/// Waits until each im-presence knows where somebody is.
async fn has_a_route(stack: &Stack, person: &Person) {
    for address in stack.addresses_of(Service::Presence) {
        let channel = stack.channel(format!("static://{address}"));
        let presence = presence_service::Client::new(&channel);
        until(&format!("{} has a route", person.name), async || {
            let asked = QueryRouteReq { user_id: person.uid };
            match presence.query_route(&Context::with_timeout(CALL_MAX), asked).await {
                Ok(answer) if !answer.gateway_id.is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

/// ZooKeeper is away for long, and an instance is started with what it was told last, and is all that is
/// left of its service.
pub(super) async fn zookeeper_away(scene: &mut Scene<'_>) -> Struck {
    let service = *scene.chance.pick(&[Service::User, Service::Message, Service::Group]);
    let [first, second] = [1, 2].map(|number| Instance { service, number }.name());
    let away = scene.options.away;
    let stack = &mut scene.arena.stack;
    let zookeeper = stack.servers().zookeeper();
    let before = zookeeper.server().counts().await.expect("it serves");
    zookeeper.kill().await;
    let gone = Instant::now();
    sleep(away / 2).await;
    stack.stop(&second).await;
    stack.restart(&second).await;
    // Nobody is told that it is back: callers try again by themselves.
    sleep(away / 8).await;
    stack.stop(&first).await;
    sleep(away / 8).await;
    stack.restart(&first).await;
    sleep(away.saturating_sub(gone.elapsed())).await;
    stack.servers().zookeeper().start_again().await;
    let hit = format!("ZooKeeper, for {:.0?}; {service:?} was started", gone.elapsed());
    let mut struck = Struck::now(hit).spares(Spared::Everybody);
    let zookeeper = stack.servers().zookeeper();
    // Nodes of the sessions that ended with those two are there for some seconds more.
    let [connections, nodes, watches] = until("sessions, nodes and watches are back", async || {
        let now = zookeeper.server().counts().await?;
        let are_back = now.iter().zip(before).all(|(now, before)| *now >= before);
        if are_back { Ok(now) } else { Err(format!("{now:?} of {before:?}")) }
    })
    .await;
    struck.served = struck.healed.elapsed();
    struck.hit +=
        &format!(", {connections} sessions, {nodes} nodes and {watches} watches came back");
    struck
}
