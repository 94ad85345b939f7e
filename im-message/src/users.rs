//! Who exists: im-user knows, and what it said is remembered.
//!
//! Users are never deleted, so an affirmation holds for ever, and needs no lifetime. A denial holds
//! only while nobody registers: it is remembered for a moment, and only of ids that were passed over
//! (im-user gives them in order), so that nobody who registers is ever refused because of it.
//!
//! Whoever asks about the same user at the same time shares one answer, and whoever asks while the
//! calls are out shares the next one: a restart with cold caches costs im-user a few calls of
//! hundreds of ids, not one for each message.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use moka::Expiry;
use moka::future::Cache;
use mpim_proto::{GetUsersReq, user_service};
use mprpc::{Code, Context, Status};
use tokio::sync::oneshot;

use crate::config::UsersConfig;
use crate::metrics::UsersMetrics;

/// Ids in one call.
const BATCH_MAX: usize = 256;
/// Users that are asked about or soon will be; more are refused.
const ASKED_MAX: usize = 1 << 16;
/// Denials that are remembered.
const DENIED_MAX: u64 = 100_000;
/// An id that is so far below one that exists will not be given any more: the registrations that are
/// under way are fewer by far.
const PASSED_OVER: i64 = 10_000;

/// Asks im-user, through any implementation of its contract.
#[derive(Debug)]
pub(crate) struct Users<U>(Arc<Shared<U>>);

#[derive(Debug)]
struct Shared<U> {
    service: U,
    existing: Cache<i64, ()>,
    denied: Cache<i64, ()>,
    /// The highest id that is known to exist.
    highest: AtomicI64,
    asking: Mutex<Asking>,
    calls_max: usize,
    timeout: Duration,
    metrics: UsersMetrics,
}

type Answer = Result<bool, Status>;

#[derive(Debug, Default)]
struct Asking {
    /// Who waits for the answer, by whom it is about.
    waiting: HashMap<i64, Vec<oneshot::Sender<Answer>>, RandomState>,
    /// Those of them that no call has taken yet.
    queue: VecDeque<i64>,
    /// Calls that are out.
    calls: usize,
}

/// Denials end at different times, so that they are not all asked about again at once.
struct Jittered(Duration);

impl Expiry<i64, ()> for Jittered {
    fn expire_after_create(&self, _: &i64, (): &(), _: Instant) -> Option<Duration> {
        Some(self.0.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

impl<U: user_service::Server> Users<U> {
    pub(crate) fn new(service: U, config: &UsersConfig) -> Self {
        let denied = Jittered(Duration::from_millis(config.denied_ms));
        Self(Arc::new(Shared {
            service,
            existing: Cache::new(config.cached_max),
            denied: Cache::builder().max_capacity(DENIED_MAX).expire_after(denied).build(),
            highest: AtomicI64::new(0),
            asking: Mutex::default(),
            calls_max: config.calls_max,
            timeout: Duration::from_millis(config.timeout_ms),
            metrics: UsersMetrics::new(),
        }))
    }

    /// Whether a user exists. Cancel safe.
    ///
    /// # Errors
    /// `UNAVAILABLE` when im-user gives no answer, `RESOURCE_EXHAUSTED` when too many are asked about
    /// already.
    pub(crate) async fn exists(&self, cx: &Context, uid: i64) -> Result<bool, Status> {
        if uid <= 0 {
            return Ok(false);
        }
        let shared = &self.0;
        // Not `contains_key`, which the cache does not count as a use: once full, it would turn every
        // newcomer away for not being used more than those it has.
        if shared.existing.get(&uid).await.is_some() {
            shared.metrics.remembered.increment(1);
            return Ok(true);
        }
        if shared.denied.get(&uid).await.is_some() {
            shared.metrics.denied.increment(1);
            return Ok(false);
        }
        shared.metrics.asked.increment(1);
        let answered = Shared::ask(shared, uid)?;
        let deadline = cx.capped(shared.timeout).deadline();
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(Status::unavailable("the question to im-user was dropped")),
            Err(_elapsed) => Err(Status::unavailable("im-user did not answer in time")),
        }
    }
}

impl<U: user_service::Server> Shared<U> {
    /// Asks about a user, unless somebody does already.
    fn ask(shared: &Arc<Self>, uid: i64) -> Result<oneshot::Receiver<Answer>, Status> {
        let (answer, answered) = oneshot::channel();
        let mut asking = shared.lock();
        let Asking { waiting, queue, calls } = &mut *asking;
        if let Some(others) = waiting.get_mut(&uid) {
            others.push(answer);
            return Ok(answered);
        }
        if waiting.len() >= ASKED_MAX {
            return Err(Status::resource_exhausted("too many unknown users are asked about"));
        }
        waiting.insert(uid, vec![answer]);
        queue.push_back(uid);
        if *calls < shared.calls_max {
            *calls += 1;
            // Not the caller's task: others share the answer, and the caller may go away.
            tokio::spawn(Arc::clone(shared).call_until_all_are_asked());
        }
        Ok(answered)
    }

    async fn call_until_all_are_asked(self: Arc<Self>) {
        loop {
            let uids: Vec<i64> = {
                let mut asking = self.lock();
                let count = asking.queue.len().min(BATCH_MAX);
                if count == 0 {
                    asking.calls -= 1;
                    return;
                }
                asking.queue.drain(..count).collect()
            };
            let answers = self.call(&uids).await;
            for (uid, answer) in uids.into_iter().zip(answers) {
                let waiting = self.lock().waiting.remove(&uid).unwrap_or_default();
                for waits in waiting {
                    // The error is a caller that stopped waiting.
                    let _ = waits.send(answer.clone());
                }
            }
        }
    }

    /// One call; an answer for each.
    async fn call(&self, uids: &[i64]) -> Vec<Answer> {
        self.metrics.calls.increment(1);
        let cx = Context::with_timeout(self.timeout);
        let request = GetUsersReq { user_ids: uids.to_vec(), ..GetUsersReq::default() };
        let call = self.service.get_users(&cx, request);
        let answer = tokio::time::timeout_at(cx.deadline(), call).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            // An im-user of the original system, which tells nobody who exists: as there, a message
            // to nobody waits for ever.
            Ok(Err(status)) if status.code() == Code::Unimplemented => {
                return vec![Ok(true); uids.len()];
            }
            Ok(Err(status)) => return failed(uids, &format!("im-user: {status}")),
            Err(_elapsed) => return failed(uids, "im-user did not answer in time"),
        };
        match answer.result {
            Some(result) if !result.is_ok() => {
                return failed(uids, &format!("im-user: {}", result.msg));
            }
            _ => {}
        }
        for user in &answer.users {
            self.existing.insert(user.user_id, ()).await;
            self.highest.fetch_max(user.user_id, Ordering::Relaxed);
        }
        let passed_over = self.highest.load(Ordering::Relaxed).saturating_sub(PASSED_OVER);
        let mut answers = Vec::with_capacity(uids.len());
        for uid in uids {
            let exists = answer.users.iter().any(|user| user.user_id == *uid);
            if !exists && *uid < passed_over {
                self.denied.insert(*uid, ()).await;
            }
            answers.push(Ok(exists));
        }
        answers
    }

    fn lock(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(uids: &[i64], why: &str) -> Vec<Answer> {
    vec![Err(Status::unavailable(why)); uids.len()]
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
