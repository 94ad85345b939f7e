//! The allowances that all instances share, in Redis.
//!
//! An account's key holds the moment at which its allowance is whole again, as a place of
//! [`Table`](super::table::Table) does, by Redis's own clock, and ends at that moment: what is there
//! is bounded by how many passwords can be checked within the span of an allowance.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest;
use im_common::in_one_line;
use im_common::redis::{Redis, RedisFailure};
use redis::Script;

use super::Allowance;
use crate::hex::hex;

/// Arguments: how long one failure takes to be forgotten and how long a whole allowance takes, in ms;
/// whether to charge a failure. Answers whether no further one is left. What is no number (`~=`
/// itself), or no text at all (`pcall`), counts as nothing; see `Table` for the two `math.min`.
const SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refill, limit = tonumber(ARGV[1]), now + tonumber(ARGV[2])
local stored = tonumber(redis.pcall('GET', KEYS[1]) or '0') or 0
if stored ~= stored then stored = 0 end
local whole = math.max(math.min(stored, limit), now)
if ARGV[3] == '1' then
  whole = math.min(whole + refill, limit)
end
if ARGV[3] == '1' or stored > limit then
  redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', string.format('%.0f', whole - now))
end
return whole + refill > limit and 1 or 0";

/// The allowances of failed log-ins of all accounts, as far as Redis remembers them.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) redis: Redis,
    script: Script,
    allowance: Allowance,
    pub(super) looks: Outcomes,
    pub(super) charges: Outcomes,
}

impl Shared {
    pub(super) fn new(redis: Redis, allowance: Allowance) -> Self {
        Self {
            redis,
            script: Script::new(SCRIPT),
            allowance,
            looks: Outcomes::default(),
            charges: Outcomes::default(),
        }
    }

    /// Whether the account has no failure left now. `name` is in lower case.
    ///
    /// # Errors
    /// Redis did not answer, within the bound of its configuration.
    pub(super) async fn used_up(&self, name: &[u8]) -> Result<bool, RedisFailure> {
        let answer = self.run("look up failed log-ins", name, false).await;
        self.looks.note(&answer);
        answer
    }

    /// Charges one failure.
    ///
    /// # Errors
    /// As [`used_up`](Self::used_up).
    pub(super) async fn failed(&self, name: &[u8]) -> Result<(), RedisFailure> {
        let answer = self.run("count a failed log-in", name, true).await;
        self.charges.note(&answer);
        answer.map(drop)
    }

    /// A name can be of any length and content, and is nobody else's business.
    pub(super) fn key(&self, name: &[u8]) -> String {
        let digest = digest::digest(&digest::SHA256, name);
        self.redis.key(format_args!("guess:{}", hex(&digest.as_ref()[..16])))
    }

    async fn run(
        &self,
        operation: &'static str,
        name: &[u8],
        charge: bool,
    ) -> Result<bool, RedisFailure> {
        let mut call = self.script.prepare_invoke();
        call.key(self.key(name)).arg(self.allowance.refill_ms).arg(self.allowance.span_ms());
        call.arg(u8::from(charge));
        self.redis
            .run(
                operation,
                |mut connection| async move { call.invoke_async(&mut connection).await },
            )
            .await
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
