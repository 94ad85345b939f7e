//! The failures that all instances share, in Redis.
//!
//! A key holds a count and the moment until which whoever failed waits, as a place of
//! [`Table`](super::table::Table) does, by Redis's own clock, and ends once that is forgotten: what is there
//! is bounded by how many passwords can be checked meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest;
use im_common::in_one_line;
use im_common::redis::{Redis, RedisFailure};
use redis::Script;

use super::limit::{Limit, Limits};
use super::source::Source;
use crate::hex::hex;

/// Keys: the account; with an address also the address, the pair, and whether that is known. Arguments:
/// what happened; the first delay, after how long failures are halved, for how long a pair is known; of
/// accounts the failures that are free and the longest delay, and the same of addresses. Answers how long
/// to wait, in ms. What is no text (`pcall`), or none of ours, counts as nothing; see `Limit` for the rest.
const SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local what = ARGV[1]
local delay, forget, known = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if what == 'succeed' then
  redis.call('DEL', KEYS[1])
  if KEYS[2] then
    redis.call('DEL', KEYS[3])
    redis.call('SET', KEYS[4], '1', 'PX', known)
  end
  return 0
end
local wait = 0
local function judge(key, free, longest)
  local text = redis.pcall('GET', key)
  local count, at = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+)$')
  count, at = tonumber(count) or 0, math.min(tonumber(at) or 0, now + longest)
  if at < now then
    count = math.floor(count / 2 ^ math.min(math.floor((now - at) / forget), 60))
  end
  if what == 'fail' then
    count = math.min(count + 1, free + 30)
    if count >= free then
      at = math.max(at, now + math.min(delay * 2 ^ (count - free), longest))
    else
      at = math.max(at, now)
    end
    local kept = at - now + forget * 8
    redis.call('SET', key, string.format('%.0f %.0f', count, at), 'PX', string.format('%.0f', kept))
  end
  wait = math.max(wait, at - now)
end
if KEYS[2] and redis.call('EXISTS', KEYS[4]) == 1 then
  judge(KEYS[3], tonumber(ARGV[5]), tonumber(ARGV[6]))
else
  judge(KEYS[1], tonumber(ARGV[5]), tonumber(ARGV[6]))
  if KEYS[2] then judge(KEYS[2], tonumber(ARGV[7]), tonumber(ARGV[8])) end
end
return wait";

/// What is asked of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Look,
    Fail,
    Succeed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) redis: Redis,
    script: Script,
    limits: Limits,
    pub(super) looks: Outcomes,
    pub(super) charges: Outcomes,
}

impl Shared {
    pub(super) fn new(redis: Redis, limits: Limits) -> Self {
        Self {
            redis,
            script: Script::new(SCRIPT),
            limits,
            looks: Outcomes::default(),
            charges: Outcomes::default(),
        }
    }

    /// For how long they have to wait then, in ms.
    ///
    /// # Errors
    /// Redis did not answer, within the bound of its configuration.
    pub(super) async fn ask(&self, what: What, source: &Source) -> Result<i64, RedisFailure> {
        let Limits { account, address, .. } = self.limits;
        self.run(what, self.keys(source), [account, address]).await
    }

    /// An address makes one account more, unless it has to wait: for how long, in ms. Asks twice, so as
    /// many more as others ask for in between can slip through.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn registers(&self, source: &Source) -> Result<i64, RedisFailure> {
        let Some(key) = source.registering() else { return Ok(0) };
        let (keys, limits) = (vec![self.key("guess", &key)], [self.limits.registering; 2]);
        let wait_ms = self.run(What::Look, keys.clone(), limits).await?;
        if wait_ms == 0 {
            self.run(What::Fail, keys, limits).await?;
        }
        Ok(wait_ms)
    }

    async fn run(
        &self,
        what: What,
        keys: Vec<String>,
        limits: [Limit; 2],
    ) -> Result<i64, RedisFailure> {
        let (operation, word, outcomes) = match what {
            What::Look => ("look up failed log-ins", "look", &self.looks),
            What::Fail => ("count a failed log-in", "fail", &self.charges),
            What::Succeed => ("forget failed log-ins", "succeed", &self.charges),
        };
        let mut call = self.script.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        let [Limit { delay_ms, forget_ms, .. }, _] = limits;
        call.arg(word).arg(delay_ms).arg(forget_ms).arg(self.limits.known_ms);
        for Limit { free, delay_max_ms, .. } in limits {
            call.arg(free).arg(delay_max_ms);
        }
        let answer = self
            .redis
            .run(
                operation,
                |mut connection| async move { call.invoke_async(&mut connection).await },
            )
            .await;
        outcomes.note(&answer);
        answer
    }

    /// Names can be of any length and content, and are nobody else's business; nor are addresses.
    pub(super) fn keys(&self, source: &Source) -> Vec<String> {
        let key = |kind, of: &[u8]| self.key(kind, of);
        let mut keys = vec![key("guess", &source.account())];
        if let (Some(address), Some(pair)) = (source.address(), source.pair()) {
            keys.extend([key("guess", &address), key("guess", &pair), key("known", &pair)]);
        }
        keys
    }

    fn key(&self, kind: &str, of: &[u8]) -> String {
        let digest = digest::digest(&digest::SHA256, of);
        self.redis.key(format_args!("{kind}:{}", hex(&digest.as_ref()[..16])))
    }
}

/// How asking Redis goes, for the log: apart for looks and charges, since a Redis that is full or a
/// replica answers the ones and refuses the others.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) failing: AtomicBool,
}

impl Outcomes {
    /// Says when the failures begin and when they end.
    fn note<T>(&self, outcome: &Result<T, RedisFailure>) {
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !failed_before => {
                let error = in_one_line(error);
                tracing::warn!(error, "this instance limits log-ins alone");
            }
            Ok(_) if failed_before => tracing::info!("instances limit log-ins together again"),
            _ => {}
        }
    }
}
