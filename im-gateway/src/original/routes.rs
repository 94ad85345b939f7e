//! The routes of this gateway's users where the original's services look for them: `route:<uid>` in
//! Redis, with the gateway's id.
//!
//! Whoever binds last has the route, here as in the original. Renewals only prolong what is still
//! this gateway's, or come back after Redis was wiped.

use std::sync::Arc;

use im_common::Shutdown;
use im_common::original::route_key;
use im_common::redis::{Redis, RedisFailure};
use redis::Script;

use super::REASON;
use crate::config::{Config, ms};
use crate::gateway::Gateway;
use crate::sessions::Handle;

/// Prolongs each key that has the value, sets it where there is none, and answers with the places
/// of those that have another one.
const RENEW: &str = "
local foreign = {}
for place, key in ipairs(KEYS) do
  local id = redis.call('GET', key)
  if not id then
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
  elseif id == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
  else
    foreign[#foreign + 1] = place
  end
end
return foreign";
/// Removes a key if it has the value.
const REMOVE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

/// See the module.
#[derive(Debug)]
pub(crate) struct Routes {
    redis: Redis,
    gateway_id: String,
    ttl_ms: u32,
}

impl Routes {
    pub(super) fn new(redis: Redis, gateway_id: String, config: &Config) -> Self {
        Self { redis, gateway_id, ttl_ms: config.original.route_ttl_ms }
    }

    /// The user is connected here, and here alone. Best effort: the next renewal tries again.
    pub(super) async fn bind(&self, user_id: i64) {
        let (id, ttl_ms) = (&self.gateway_id, self.ttl_ms);
        let bound: Result<(), RedisFailure> = self
            .redis
            .run("bind an original route", |mut connection| async move {
                let mut set = redis::cmd("SET");
                set.arg(route_key(user_id)).arg(id).arg("PX").arg(ttl_ms);
                set.query_async(&mut connection).await
            })
            .await;
        noted(bound);
    }

    /// The user is not connected here any more.
    pub(super) async fn unbind(&self, user_id: i64) {
        let id = &self.gateway_id;
        let removed: Result<(), RedisFailure> = self
            .redis
            .run("remove an original route", |mut connection| async move {
                let script = Script::new(REMOVE);
                script.key(route_key(user_id)).arg(id).invoke_async(&mut connection).await
            })
            .await;
        noted(removed);
    }

    /// Answers with those of `sessions` whose users are connected somewhere else by now.
    async fn renew(&self, sessions: &[Arc<Handle>]) -> Result<Vec<Arc<Handle>>, RedisFailure> {
        let (id, ttl_ms) = (&self.gateway_id, self.ttl_ms);
        let foreign: Vec<usize> = self
            .redis
            .run("renew original routes", |mut connection| async move {
                let script = Script::new(RENEW);
                let mut renewal = script.arg(id);
                renewal.arg(ttl_ms);
                for session in sessions {
                    renewal.key(route_key(session.user_id));
                }
                renewal.invoke_async(&mut connection).await
            })
            .await?;
        // Lua counts from one.
        let at = |place: &usize| sessions.get(place.checked_sub(1)?).cloned();
        Ok(foreign.iter().filter_map(at).collect())
    }
}

/// A Redis that is away says so itself, once.
fn noted(outcome: Result<(), RedisFailure>) {
    if let Err(failure) = outcome {
        tracing::debug!(
            error = im_common::in_one_line(&failure),
            "an original route is not as it should be"
        );
    }
}

/// Renews the routes of all sessions once an interval, until the shutdown.
pub(super) async fn run(gateway: Arc<Gateway>, shutdown: Shutdown) {
    let config = &gateway.config.original;
    let Some(routes) = &gateway.original else { return };
    while tokio::time::timeout(ms(config.renew_interval_ms), shutdown.triggered()).await.is_err() {
        let sessions = gateway.sessions.bound();
        for batch in sessions.chunks(config.renew_batch_max) {
            match routes.renew(batch).await {
                Ok(foreign) => foreign.iter().for_each(|session| elsewhere(session)),
                Err(failure) => noted(Err(failure)),
            }
        }
    }
}

/// Who has a route of an im-presence of ours is told by that one when it is over, and may well be
/// connected with another device. Beside an im-presence of the original this is the only sign.
fn elsewhere(session: &Handle) {
    if session.since_ms() == 0 {
        session.mailbox.close(REASON);
    }
}
