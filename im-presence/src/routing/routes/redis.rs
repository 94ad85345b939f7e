//! Routes in Redis, for several instances of im-presence.
//!
//! | key | is |
//! |---|---|
//! | `<prefix>route:<user>` | a hash: session to route, each with its own expiry by Redis's clock |
//! | `<prefix>gateways` | a hash: boot id to gateway, with its epoch and when it was last heard of |
//!
//! Each change is one script on one key. A route is live while it has not expired and its gateway is
//! listed in the same epoch: dropping a gateway is removing it from the list, whatever the number of
//! its routes. Redis may forget everything at any time; gateways then find their routes missing.
//!
//! A Redis that answers but takes no writes (it is full, or a replica) is as good as none: routes
//! that are not renewed expire, and by what can be read, everybody would soon be gone.

mod junk;
mod record;
mod refusal;
mod scripts;

use std::collections::HashMap;
use std::sync::Arc;

use im_common::redis::{Redis, RedisFailure};
use metrics::{Counter, counter};
use redis::{Pipeline, RedisResult, Value, from_redis_value};

use self::record::{Kept, Listed};
use self::scripts::{Bind, Hear, Scripts, Tells};
use super::{Bound, Excludes, Gateway, Key, Offer, Route, Routes, RoutesError};

/// Routes of one pipeline: what is renewed at once must be done within the response timeout.
const PIPELINE_ROUTES_MAX: usize = 5_000;

/// The bounds and lifetimes of [`RedisRoutes`]. How many routes there may be is Redis's `maxmemory`.
#[derive(Clone, Debug)]
pub(crate) struct RedisLimits {
    /// How long a route lives without being renewed.
    pub(crate) ttl_ms: i64,
    /// The same for routes that a gateway of the original system bound: it never renews them.
    pub(crate) original_ttl_ms: i64,
    /// Devices of one user.
    pub(crate) devices_max: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RedisRoutes {
    redis: Redis,
    limits: RedisLimits,
    scripts: Scripts,
    gateways_key: String,
    junk: junk::Junk,
    refusal: refusal::Refusal,
    renewed: Counter,
    missing: Counter,
}

/// What is known of the gateways at one moment of Redis's clock.
struct Now {
    ms: i64,
    by_boot: HashMap<String, Listed>,
}

impl RedisRoutes {
    pub(crate) fn new(limits: RedisLimits, redis: Redis) -> Self {
        Self {
            gateways_key: redis.key("gateways"),
            redis,
            limits,
            scripts: Scripts::new(),
            junk: junk::Junk::default(),
            refusal: refusal::Refusal::default(),
            renewed: counter!("mpim_presence_routes_renewed_total"),
            missing: counter!("mpim_presence_routes_missing_total"),
        }
    }

    fn route_key(&self, user_id: i64) -> String {
        self.redis.key(format_args!("route:{user_id}"))
    }

    fn ttl_ms(&self, gateway: &Gateway) -> i64 {
        if gateway.is_original() { self.limits.original_ttl_ms } else { self.limits.ttl_ms }
    }

    /// A user's key outlives each of its routes; a gateway's entry, its last renewal.
    fn key_ttl_ms(&self) -> i64 {
        self.limits.ttl_ms.max(self.limits.original_ttl_ms)
    }

    /// Lists a gateway as alive.
    async fn hear(&self, gateway: &Gateway, tells: Tells<'_>) -> Result<Hear, RedisFailure> {
        let (key, keep_ms) = (&self.gateways_key, self.key_ttl_ms());
        let heard = self.scripts.hear(&self.redis, key, gateway, tells, keep_ms).await;
        self.refusal.note(&heard);
        heard
    }

    /// Reads what one command each gives for `users`, with the time and the gateways beside it. A
    /// user's answer that is an error is the user's alone.
    async fn read(
        &self,
        operation: &'static str,
        command: &'static str,
        users: &[i64],
    ) -> Result<(Now, Vec<RedisResult<Value>>), RoutesError> {
        self.refusal.check()?;
        let mut pipeline = Pipeline::with_capacity(users.len() + 2);
        pipeline.cmd("TIME");
        pipeline.cmd("HGETALL").arg(&self.gateways_key);
        for user_id in users {
            pipeline.cmd(command).arg(self.route_key(*user_id));
        }
        pipeline.ignore_errors();
        let answers = self.redis.run(operation, |mut connection| async move {
            pipeline.query_async::<Vec<RedisResult<Value>>>(&mut connection).await
        });
        let mut answers = answers.await?.into_iter();
        let ms = self.time(answers.next())?;
        let gateways = answers.next().unwrap_or(Ok(Value::Nil));
        let by_boot = self.listed(gateways.and_then(|value| Ok(from_redis_value(value)?)));
        Ok((Now { ms, by_boot }, answers.collect()))
    }

    /// The answer to `TIME`, in ms.
    fn time(&self, answer: Option<RedisResult<Value>>) -> Result<i64, RoutesError> {
        let time = answer.unwrap_or(Ok(Value::Nil)).and_then(|time| Ok(from_redis_value(time)?));
        let (seconds, micros): (i64, i64) =
            time.map_err(|error| self.redis.failed("tell the time", error))?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    fn listed(&self, list: RedisResult<Vec<(Vec<u8>, Vec<u8>)>>) -> HashMap<String, Listed> {
        let list = list.unwrap_or_else(|error| {
            self.junk.found(&self.gateways_key, &error);
            Vec::new()
        });
        let listed = list.iter().filter_map(|(boot_id, entry)| {
            let listed = record::listed(boot_id, entry);
            if listed.is_none() {
                self.junk.found(&self.gateways_key, &"not a gateway");
            }
            listed
        });
        listed.map(|listed| (listed.gateway.boot_id.clone(), listed)).collect()
    }

    /// The gateways that were heard of within a lifetime.
    async fn live_gateways(&self) -> Result<impl Iterator<Item = Listed>, RoutesError> {
        let (now, _) = self.read("list gateways", "HGETALL", &[]).await?;
        let since_ms = now.ms - self.limits.ttl_ms;
        Ok(now.by_boot.into_values().filter(move |listed| listed.heard_ms > since_ms))
    }

    /// The live ones of a user's routes, the one that began last at the end.
    fn live(
        &self,
        now: &Now,
        user_id: i64,
        routes: RedisResult<Vec<(Vec<u8>, Vec<u8>)>>,
    ) -> Vec<Route> {
        let routes = routes.unwrap_or_else(|error| {
            self.junk.found(&self.route_key(user_id), &error);
            Vec::new()
        });
        let kept = routes.iter().filter_map(|(_, route)| {
            let kept = Kept::parse(user_id, route);
            if kept.is_none() {
                self.junk.found(&self.route_key(user_id), &"not a route");
            }
            kept
        });
        let live = kept.filter(|kept| kept.is_live(now.ms, &now.by_boot));
        let mut live: Vec<Route> = live.map(|kept| kept.route).collect();
        live.sort_by_key(|route| route.since_ms);
        live
    }

    /// Whether each of `keys` is bound to its session. Most of them only have to be looked at: what
    /// still has more than half of its lifetime is left as it is, which costs Redis a tenth.
    async fn renew_some(
        &self,
        boot_id: &str,
        epoch: &str,
        keys: &[Key],
    ) -> Result<Vec<bool>, RoutesError> {
        let mut look = Pipeline::with_capacity(keys.len() + 1);
        look.cmd("TIME");
        for key in keys {
            look.cmd("HGET").arg(self.route_key(key.user_id)).arg(record::field_of(boot_id, key));
        }
        look.ignore_errors();
        let answers = self.redis.run("look at routes", |mut connection| async move {
            look.query_async::<Vec<RedisResult<Value>>>(&mut connection).await
        });
        let mut answers = answers.await?.into_iter();
        let half_ms = self.time(answers.next())? + self.limits.ttl_ms / 2;
        let begins = keys.iter().map(|key| record::identity_begins(boot_id, key, Some(epoch)));
        let begins: Vec<String> = begins.collect();
        let mut renewed = Vec::with_capacity(keys.len());
        let mut old = Vec::new();
        for (at, answer) in answers.enumerate() {
            let kept: Option<Vec<u8>> = answer.ok().and_then(|kept| from_redis_value(kept).ok());
            let expires_ms = kept.and_then(|kept| record::expires_ms(&kept, &begins[at]));
            if expires_ms.is_some_and(|expires_ms| expires_ms <= half_ms) {
                old.push(at);
            }
            renewed.push(expires_ms.is_some());
        }
        if old.is_empty() {
            return Ok(renewed);
        }
        let mut renew = Pipeline::with_capacity(old.len() + 1);
        self.scripts.begin_renewals(&mut renew);
        for &at in &old {
            let route_key = self.route_key(keys[at].user_id);
            let ttls = (self.limits.ttl_ms, self.key_ttl_ms());
            let field = record::field_of(boot_id, &keys[at]);
            self.scripts.renew(&mut renew, &route_key, &field, &begins[at], ttls);
        }
        let answers = self.redis.run("renew routes", |mut connection| async move {
            renew.query_async::<Vec<bool>>(&mut connection).await
        });
        for (at, is_renewed) in old.into_iter().zip(answers.await?) {
            renewed[at] = is_renewed;
        }
        Ok(renewed)
    }
}

impl Routes for RedisRoutes {
    async fn bind(&self, route: Route, excludes: Excludes) -> Result<Bound, RoutesError> {
        let gateway = &route.gateway;
        // The gateway first: its epoch is part of the route, and only of those that are listed are
        // routes live.
        let Hear { epoch, listed } = match gateway.is_original() {
            true => Hear::default(),
            false => self.hear(gateway, Tells::Nothing).await?,
        };
        let by_boot = self.listed(Ok(listed));
        let bind = Bind {
            key: self.route_key(route.user_id),
            field: record::field(&gateway.boot_id, &route.device, &route.session_id),
            device: &route.device,
            excludes,
            identity: record::identity(&route, &epoch),
            since_ms: route.since_ms,
            ttl_ms: self.ttl_ms(gateway),
            key_ttl_ms: self.key_ttl_ms(),
            devices_max: self.limits.devices_max,
            epochs: by_boot.iter().map(|(boot_id, it)| (boot_id.as_str(), it.epoch.as_str())),
        };
        let (outcome, since_ms, ended, junk) = self.scripts.bind(&self.redis, bind).await?;
        if junk {
            self.junk.found(&self.route_key(route.user_id), &"not a route");
        }
        match outcome.as_str() {
            "here" => {
                let replaced = ended.iter().filter_map(|it| Kept::parse(route.user_id, it));
                let replaced = replaced.map(|kept| kept.route).collect();
                Ok(Bound::Here { since_ms, replaced })
            }
            "full" => Err(RoutesError::Full { what: "routes.devices_max" }),
            _ => Ok(Bound::Fenced),
        }
    }

    async fn renew(
        &self,
        gateway: &Arc<Gateway>,
        offer: Option<Offer>,
        keys: Vec<Key>,
    ) -> Result<Vec<Key>, RoutesError> {
        let epoch = self.hear(gateway, Tells::Offer(offer.as_ref())).await?.epoch;
        let mut missing = Vec::new();
        for keys in keys.chunks(PIPELINE_ROUTES_MAX) {
            let renewed = self.renew_some(&gateway.boot_id, &epoch, keys).await?;
            let keys = keys.iter().zip(renewed);
            missing.extend(keys.filter(|(_, renewed)| !renewed).map(|(key, _)| key.clone()));
        }
        self.renewed.increment((keys.len() - missing.len()) as u64);
        self.missing.increment(missing.len() as u64);
        Ok(missing)
    }

    async fn unbind(&self, boot_id: &str, key: &Key) -> Result<bool, RoutesError> {
        let begins = record::identity_begins(boot_id, key, None);
        let route_key = self.route_key(key.user_id);
        Ok(self
            .scripts
            .unbind(&self.redis, &route_key, &record::field_of(boot_id, key), &begins)
            .await?)
    }

    async fn query(&self, user_id: i64) -> Result<Vec<Route>, RoutesError> {
        let (now, mut answers) = self.read("read routes", "HGETALL", &[user_id]).await?;
        let routes = answers.pop().unwrap_or(Ok(Value::Nil));
        Ok(self.live(&now, user_id, routes.and_then(|value| Ok(from_redis_value(value)?))))
    }

    async fn resolve(&self, users: &[i64]) -> Result<Vec<(i64, Arc<Gateway>)>, RoutesError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let (now, answers) = self.read("resolve routes", "HGETALL", users).await?;
        let mut resolved: Vec<(i64, Arc<Gateway>)> = Vec::with_capacity(users.len());
        for (user_id, routes) in users.iter().zip(answers) {
            let first = resolved.len();
            let routes = routes.and_then(|value| Ok(from_redis_value(value)?));
            for route in self.live(&now, *user_id, routes) {
                if !resolved[first..].iter().any(|(_, other)| *other == route.gateway) {
                    resolved.push((*user_id, route.gateway));
                }
            }
        }
        Ok(resolved)
    }

    async fn gateways(&self) -> Result<Vec<Arc<Gateway>>, RoutesError> {
        Ok(self.live_gateways().await?.map(|listed| listed.gateway).collect())
    }

    async fn offers(&self) -> Result<Vec<(Arc<Gateway>, Offer)>, RoutesError> {
        let live = self.live_gateways().await?;
        Ok(live.filter_map(|listed| Some((listed.gateway, listed.offer?))).collect())
    }

    async fn drop_gateway(&self, boot_id: &str) -> Result<(), RoutesError> {
        let dropped = self.redis.run("drop a gateway", |mut connection| async move {
            redis::cmd("HDEL")
                .arg(&self.gateways_key)
                .arg(boot_id)
                .query_async::<()>(&mut connection)
                .await
        });
        Ok(dropped.await?)
    }

    /// Redis frees what has expired by itself.
    async fn sweep(&self) {}
}

#[cfg(test)]
mod tests;
