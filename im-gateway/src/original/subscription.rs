//! What the original's im-presence publishes for this gateway: serialized `C2CMsg`s on the Redis
//! Pub/Sub channel of the gateway's id.
//!
//! Nobody repeats what was published while nobody listened. So after each interruption, and after a
//! start without Redis, all sessions compare heads: what stands in a timeline of ours is found that
//! way.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use im_common::Shutdown;
use im_common::original::channel;
use im_common::redis::{Redis, RedisFailure};
use metrics::counter;
use mpim_proto::C2cMsg;
use prost::Message as _;
use redis::RedisResult;

use crate::push::Pushes;
use crate::pushed::direct;
use crate::sessions::Sessions;

/// Between two tries to subscribe, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Between two questions whether Redis is still there: one that vanished does not say so.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Subscription {
    redis: Redis,
    channel: String,
    sessions: Arc<Sessions>,
    pushes: Arc<Pushes>,
    junk: DefaultDirectRateLimiter,
}

impl Subscription {
    pub(super) fn new(
        redis: Redis,
        gateway_id: &str,
        sessions: Arc<Sessions>,
        pushes: Arc<Pushes>,
    ) -> Self {
        let junk = RateLimiter::direct(Quota::per_second(NonZeroU32::MIN));
        Self { redis, channel: channel(gateway_id), sessions, pushes, junk }
    }

    /// Listens until the shutdown.
    pub(super) async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = self.listen() => {}
            () = shutdown.triggered() => {}
        }
    }

    async fn listen(&self) {
        let mut pause = PAUSE.0;
        let mut interrupted = false;
        loop {
            match self.subscribed(interrupted).await {
                Ok(()) => {
                    tracing::warn!(channel = self.channel, "the subscription in Redis has ended");
                    (pause, interrupted) = (PAUSE.0, true);
                }
                // A Redis that is away says so itself, once.
                Err(failure) => {
                    tracing::debug!(error = im_common::in_one_line(&failure), "not subscribed");
                    interrupted = true;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Subscribes, and takes what comes until the connection is of no use any more.
    async fn subscribed(&self, interrupted: bool) -> Result<(), RedisFailure> {
        let (mut sink, mut published) = self.redis.pubsub().await?.split();
        self.in_time(sink.subscribe(&self.channel)).await?;
        tracing::info!(channel = self.channel, "subscribed to what the original system publishes");
        if interrupted {
            self.pushes.resync(Some("subscription"));
        }
        loop {
            match tokio::time::timeout(WATCH_INTERVAL, published.next()).await {
                Ok(Some(message)) => self.take(message.get_payload_bytes()),
                Ok(None) => return Ok(()),
                Err(_silent) => {
                    if self.in_time(sink.ping::<redis::Value>()).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisFailure> {
        let answered = tokio::time::timeout(self.redis.response_timeout(), asked).await;
        let silent = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        let answered = answered.unwrap_or_else(|_| Err(silent()));
        answered.map_err(|error| self.redis.failed("subscribe", error))
    }

    /// Shows one message to the sessions of its recipient. Two gateways may share a channel, so one
    /// for nobody here is nothing unusual.
    fn take(&self, payload: &[u8]) {
        let outcome = match C2cMsg::decode(payload) {
            Ok(msg) if msg.to > 0 => {
                let direct = direct(&msg);
                let leave =
                    |session: &crate::sessions::Handle| session.mailbox.leave_direct(&direct);
                if self.sessions.leave(msg.to, leave) > 0 { "taken" } else { "nobody" }
            }
            _ => {
                if self.junk.check().is_ok() {
                    tracing::warn!(
                        channel = self.channel,
                        bytes = payload.len(),
                        "what was published in Redis is no C2CMsg; it is dropped"
                    );
                }
                "junk"
            }
        };
        counter!("mpim_gateway_original_published_total", "outcome" => outcome).increment(1);
    }
}
