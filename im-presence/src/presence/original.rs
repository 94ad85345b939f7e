//! Beside gateways and an im-message of the original system (`[original]` in the configuration).
//!
//! In Redis, `route:<uid>` is the id of the gateway that a user is connected to, and what is for that
//! user is published on a channel that follows from the id (`im_common::original`). Users who have a
//! route there to a gateway that is none of ours are reached so; nobody confirms it. Messages of
//! groups are not published: the original's gateways have no words for them, and its clients pull.
//!
//! What is published and is the same message as an entry of a timeline may come here twice: from
//! im-message, and in a `Deliver` of the gateway that sent it. Keys in Redis see to it that one of
//! them is published, whichever instances they come to: one of the message's id, and one of who said
//! what to whom, for a `Deliver` may tell no id.

use std::collections::{HashMap, HashSet};

use im_common::Readiness;
use im_common::original::{channel, hash, route_key};
use im_common::redis::{Redis, RedisFailure};
use metrics::counter;
use mpim_proto::{
    C2cMsg, Delivery, EntryKind, GatewayBoot, ListGatewaysReq, Published, QuerySessionsReq,
    ResolveReq, UnbindRouteReq, routing_service,
};
use mprpc::{Context, Status};
use prost::Message as _;
use prost::bytes::Bytes;

use crate::config::Config;

/// Publishes unless that was done, and remembers it if somebody listened. Answers with the number
/// of those who did, or -1.
///
/// The first key counts what was said by dispatches upwards, and by those who tell no id downwards:
/// while it is on the other side of zero, the other has published this message. The second key, if
/// there is one, is of the message's id.
const PUBLISH_ONCE: &str = "
if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
local said = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
local step = tonumber(ARGV[4])
local heard = -1
if said * step >= 0 then heard = redis.call('PUBLISH', ARGV[1], ARGV[2]) end
if heard == 0 then return 0 end
if KEYS[2] then redis.call('SET', KEYS[2], '', 'EX', ARGV[3]) end
if step ~= 0 then redis.call('SET', KEYS[1], said + step, 'EX', ARGV[3]) end
return heard";
/// Removes a key if it has the value.
const REMOVE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";
/// For how long it is remembered: a `Deliver` follows its `Send` within a moment.
const REMEMBERED_S: u32 = 30;

/// See the module.
#[derive(Debug)]
pub(crate) struct Original {
    metadata: Redis,
    queue: Redis,
    route_ttl_ms: u32,
}

/// One message for one user.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    to: i64,
    msg_id: i64,
    from: i64,
    /// A hash of the text.
    text: u64,
    /// A serialized `C2CMsg`.
    payload: Bytes,
    /// What im-message is told of it, if it is an entry of a timeline.
    entry: Option<Published>,
}

fn is_original(gateway: &GatewayBoot) -> bool {
    gateway.gateway_addr.is_empty()
}

impl Original {
    /// With the mode on: begins to connect.
    pub(crate) fn connect(config: &Config, readiness: &Readiness) -> Option<Self> {
        if !config.original.enabled {
            return None;
        }
        let redis = &config.redis;
        let connect = |role, url| Redis::connect(role, url, &redis.shared, readiness);
        let metadata = connect("metadata", &redis.metadata_url)?;
        let queue = connect("queue", &redis.queue_url)?;
        Some(Self { metadata, queue, route_ttl_ms: config.routes.original_ttl_ms })
    }

    /// A gateway of the original has bound a route: its services find it where they look. Best
    /// effort, since ours find it without.
    pub(crate) async fn bind(&self, user_id: i64, gateway_id: &str) {
        let ttl_ms = self.route_ttl_ms;
        let bound: Result<(), RedisFailure> = self
            .metadata
            .run("bind an original route", |mut connection| async move {
                let mut set = redis::cmd("SET");
                set.arg(route_key(user_id)).arg(gateway_id).arg("PX").arg(ttl_ms);
                set.query_async(&mut connection).await
            })
            .await;
        if let Err(failure) = bound {
            tracing::debug!(
                error = im_common::in_one_line(&failure),
                "an original route is not bound"
            );
        }
    }

    /// The user is at no gateway of the original any more.
    ///
    /// # Errors
    /// If the routes could not be read or written.
    pub(crate) async fn unbind(
        &self,
        cx: &Context,
        routing: &impl routing_service::Server,
        user_id: i64,
    ) -> Result<(), Status> {
        for session in routing.query(cx, QuerySessionsReq { user_id }).await?.sessions {
            if session.gateway.as_ref().is_some_and(is_original) {
                let (device, session_id) = (session.device, session.session_id);
                let boot_id = String::new();
                let request = UnbindRouteReq { user_id, device, boot_id, session_id };
                routing.unbind(cx, request).await?;
            }
        }
        let ours = routing.list_gateways(cx, ListGatewaysReq::default()).await?.gateways;
        let Some(id) = self.query(user_id).await else { return Ok(()) };
        if ours.iter().any(|gateway| gateway.gateway_id == id) {
            return Ok(());
        }
        let removed: Result<(), RedisFailure> = self
            .metadata
            .run("remove an original route", |mut connection| async move {
                let remove = redis::Script::new(REMOVE);
                remove.key(route_key(user_id)).arg(id).invoke_async(&mut connection).await
            })
            .await;
        if let Err(failure) = removed {
            let error = im_common::in_one_line(&failure);
            tracing::debug!(error, "an original route is not removed");
        }
        Ok(())
    }

    /// The gateway that Redis names for a user.
    pub(crate) async fn query(&self, user_id: i64) -> Option<String> {
        self.named(&[user_id]).await.remove(&user_id)
    }

    /// A `Deliver`. Answers whether a gateway of the original has it.
    pub(crate) async fn deliver(
        &self,
        cx: &Context,
        routing: &impl routing_service::Server,
        outgoing: Outgoing,
    ) -> bool {
        !self.publish(cx, routing, &[outgoing]).await.is_empty()
    }

    /// Entries that im-message has committed. Answers with those that gateways of the original have.
    pub(crate) async fn dispatch(
        &self,
        cx: &Context,
        routing: &impl routing_service::Server,
        outgoing: Vec<Outgoing>,
    ) -> Vec<Published> {
        let reached = self.publish(cx, routing, &outgoing).await;
        let reached = reached.into_iter().filter_map(|place| outgoing.get(place)?.entry.clone());
        reached.collect()
    }

    /// Publishes for the users who are at gateways of the original. Answers with the places of what
    /// has reached one; nothing is waited for but Redis.
    async fn publish(
        &self,
        cx: &Context,
        routing: &impl routing_service::Server,
        outgoing: &[Outgoing],
    ) -> Vec<usize> {
        let mut users: Vec<i64> = outgoing.iter().map(|one| one.to).collect();
        users.sort_unstable();
        users.dedup();
        let at = self.gateways(cx, routing, &users).await;
        let all = outgoing.iter().enumerate();
        let wanted: Vec<(usize, &Outgoing, &String)> = all
            .flat_map(|(place, one)| {
                let gateways = at.get(&one.to).map(Vec::as_slice).unwrap_or_default();
                gateways.iter().map(move |id| (place, one, id))
            })
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut pipeline = redis::pipe();
        for (_, one, gateway_id) in &wanted {
            self.add(&mut pipeline, one, gateway_id);
        }
        let heard: Result<Vec<i64>, RedisFailure> =
            self.queue
                .run("publish", |mut connection| async move {
                    pipeline.query_async(&mut connection).await
                })
                .await;
        let heard = heard.unwrap_or_else(|failure| {
            // Redis says itself that it is away; the messages wait to be pulled.
            tracing::debug!(error = im_common::in_one_line(&failure), "not published");
            Vec::new()
        });
        let mut reached: Vec<usize> = Vec::new();
        for ((place, _, _), heard) in wanted.iter().zip(heard) {
            let outcome = match heard {
                0 => "nobody",
                ..0 => "repeated",
                1.. => "heard",
            };
            counter!("mpim_presence_original_published_total", "outcome" => outcome).increment(1);
            if heard != 0 && reached.last() != Some(place) {
                reached.push(*place);
            }
        }
        reached
    }

    /// A user may be at two gateways, and has it at each.
    fn add(&self, pipeline: &mut redis::Pipeline, one: &Outgoing, gateway_id: &str) {
        let Outgoing { to, msg_id, from, text, payload, entry } = one;
        let said = self.queue.key(format_args!("said:{from}:{to}:{text:x}:{gateway_id}"));
        let command = pipeline.cmd("EVAL").arg(PUBLISH_ONCE);
        if *msg_id == 0 {
            command.arg(1).arg(said);
        } else {
            let published = format_args!("published:{msg_id}:{to}:{gateway_id}");
            command.arg(2).arg(said).arg(self.queue.key(published));
        }
        let step = match (entry, msg_id) {
            (Some(_), _) => 1,
            (None, 0) => -1,
            (None, _) => 0,
        };
        command.arg(channel(gateway_id)).arg(&payload[..]).arg(REMEMBERED_S).arg(step);
    }

    /// For each user who is at gateways of the original: their ids.
    async fn gateways(
        &self,
        cx: &Context,
        routing: &impl routing_service::Server,
        users: &[i64],
    ) -> HashMap<i64, Vec<String>> {
        let mut at: HashMap<i64, Vec<String>> = HashMap::new();
        // Without the routes, which have said so themselves, nobody is at a gateway of the original:
        // whoever is not reached pulls.
        let request = ResolveReq { user_ids: users.to_vec() };
        for here in routing.resolve(cx, request).await.unwrap_or_default().at {
            let Some(gateway) = here.gateway.filter(is_original) else { continue };
            for user_id in here.user_ids {
                at.entry(user_id).or_default().push(gateway.gateway_id.clone());
            }
        }
        let named = self.named(users).await;
        if named.is_empty() {
            return at;
        }
        // Gateways of ours put their users' routes there, too, for the original's services. They
        // have their own way of pushing, which loses nothing.
        let Ok(ours) = routing.list_gateways(cx, ListGatewaysReq::default()).await else {
            return at;
        };
        let ours = ours.gateways.iter().map(|gateway| gateway.gateway_id.as_str());
        let ours: HashSet<&str> = ours.collect();
        for (user_id, id) in named {
            let known = at.entry(user_id).or_default();
            if !ours.contains(id.as_str()) && !known.contains(&id) {
                known.push(id);
            }
        }
        at
    }

    /// What Redis names; nobody while it is away.
    async fn named(&self, users: &[i64]) -> HashMap<i64, String> {
        if users.is_empty() {
            return HashMap::new();
        }
        let named: Result<Vec<Option<String>>, RedisFailure> = self
            .metadata
            .run("read original routes", |mut connection| async move {
                let mut read = redis::cmd("MGET");
                users.iter().for_each(|user_id| {
                    read.arg(route_key(*user_id));
                });
                read.query_async(&mut connection).await
            })
            .await;
        let named = named.unwrap_or_else(|failure| {
            tracing::debug!(
                error = im_common::in_one_line(&failure),
                "original routes are not read"
            );
            Vec::new()
        });
        let pairs = users.iter().zip(named);
        pairs
            .filter_map(|(user_id, id)| Some((*user_id, id.filter(|id| !id.is_empty())?)))
            .collect()
    }
}

impl Outgoing {
    /// What a `Deliver` brought, as it came.
    pub(crate) fn delivered(to: i64, msg: &C2cMsg, payload: Bytes) -> Self {
        let text = hash(msg.text.as_bytes());
        Self { to, msg_id: msg.msg_id, from: msg.from, text, payload, entry: None }
    }

    /// The messages between two users among `deliveries`, each for its recipients but its author.
    pub(crate) fn dispatched(deliveries: &[Delivery]) -> Vec<Self> {
        let with_entry = deliveries.iter().filter_map(|delivery| {
            let entry = delivery.entry.as_ref()?;
            let shown = entry.kind() == EntryKind::Text && entry.conv_id.starts_with("c2c_");
            shown.then_some((entry, &delivery.recipients))
        });
        let messages = with_entry.flat_map(|(entry, recipients)| {
            let said = hash(entry.text.as_bytes());
            let others = recipients.iter().filter(|to| **to != entry.from);
            others.map(move |to| {
                let (text, msg_id) = (entry.text.clone(), entry.msg_id);
                let from = entry.from;
                let msg = C2cMsg { msg_id, from, to: *to, ts_ms: entry.ts_ms, text };
                let payload = msg.encode_to_vec().into();
                let (user_id, conv_id, seq) = (*to, entry.conv_id.clone(), entry.seq);
                let entry = Some(Published { user_id, conv_id, seq });
                Self { to: *to, msg_id, from, text: said, payload, entry }
            })
        });
        messages.collect()
    }
}
