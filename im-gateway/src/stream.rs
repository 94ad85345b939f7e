//! Reads the stream in Redis by which pushes come to this boot of the gateway, where im-presence is
//! configured so (`push.queue = "streams"`).
//!
//! The entries are the numbered requests that would otherwise be calls, so what a stream loses shows
//! as a hole or as silence. Nobody else reads the stream: what was read is trimmed.

use std::sync::Arc;
use std::time::Duration;

use im_common::Shutdown;
use im_common::redis::{Redis, RedisFailure};
use metrics::{Counter, Gauge, counter, gauge};
use mpim_proto::{PUSH_STREAM_FIELD, PushReq, push_stream_name};
use prost::Message as _;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{RedisError, RedisResult};

use crate::push::Pushes;

/// For how long one read waits, in ms; heartbeats come about as often.
const BLOCK_MS: u64 = 1_000;
/// Requests of one read.
const READ_MAX: usize = 100;
/// Before the next try after a failure; the connection's owner says in the log what is wrong.
const PAUSE: Duration = Duration::from_millis(200);
/// Before the first entry of a stream.
const BEGINNING: &str = "0-0";

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    redis: Redis,
    key: String,
    gateway_boot_id: String,
    pushes: Arc<Pushes>,
    /// The id of the last entry that was read.
    last: String,
    /// The last entry did not parse: others that follow it are not said.
    junk: bool,
    /// Redis refused to have it read, and it was said.
    refused: bool,
    read: Counter,
    waiting: Gauge,
}

impl Stream {
    pub(crate) fn new(redis: Redis, gateway_boot_id: String, pushes: Arc<Pushes>) -> Self {
        Self {
            key: redis.key(push_stream_name(&gateway_boot_id)),
            redis,
            gateway_boot_id,
            pushes,
            last: BEGINNING.to_owned(),
            junk: false,
            refused: false,
            read: counter!("mpim_gateway_stream_requests_total"),
            waiting: gauge!("mpim_gateway_stream_waiting_requests"),
        }
    }

    /// Reads until the shutdown, and then removes the stream.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        while !shutdown.is_triggered() {
            tokio::select! {
                failed = self.follow() => {
                    self.note(&failed);
                    let _ = tokio::time::timeout(PAUSE, shutdown.triggered()).await;
                }
                () = shutdown.triggered() => {}
            }
        }
        // Otherwise it expires.
        let key = &self.key;
        let removed = self.redis.run("remove a stream", |mut connection| async move {
            redis::cmd("DEL").arg(key).query_async::<()>(&mut connection).await
        });
        let _ = removed.await;
    }

    /// A Redis that is away is said elsewhere. One that answers and refuses (the key is of another
    /// type, a permission is missing) is for somebody to look at.
    fn note(&mut self, failed: &RedisFailure) {
        let (key, error) = (&self.key, im_common::in_one_line(failed));
        if failed.is_refusal() && !std::mem::replace(&mut self.refused, true) {
            tracing::error!(key, error, "the stream of this gateway cannot be read; trying on");
        } else {
            tracing::debug!(key, error, "reading again");
        }
    }

    /// Reads on a connection of its own until that fails.
    async fn follow(&mut self) -> RedisFailure {
        let mut connection = match self.redis.dedicated().await {
            Ok(connection) => connection,
            Err(failure) => return failure,
        };
        loop {
            match self.step(&mut connection).await {
                Ok(()) if std::mem::take(&mut self.refused) => {
                    tracing::info!(key = self.key, "the stream of this gateway is read again");
                }
                Ok(()) => {}
                Err(error) => return self.redis.failed("read a stream", error),
            }
        }
    }

    async fn step(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(READ_MAX).arg("BLOCK").arg(BLOCK_MS);
        read.arg("STREAMS").arg(&self.key).arg(&self.last);
        // The connection has no bound of its own, and a peer that vanished does not say so.
        let bound = Duration::from_millis(BLOCK_MS) + self.redis.response_timeout();
        let reply = tokio::time::timeout(bound, read.query_async(connection));
        let reply: StreamReadReply = reply.await.map_err(|_| too_slow())??;
        let entries: Vec<StreamId> = reply.keys.into_iter().flat_map(|key| key.ids).collect();
        let bound = self.redis.response_timeout();
        if entries.is_empty() {
            let started_over = self.started_over(connection);
            return tokio::time::timeout(bound, started_over).await.map_err(|_| too_slow())?;
        }
        self.read.increment(entries.len() as u64);
        for entry in entries {
            self.take(&entry);
            self.last = entry.id;
        }
        let trim = self.trim(connection);
        tokio::time::timeout(bound, trim).await.map_err(|_| too_slow())?
    }

    /// Ids are times of Redis's clock. Should a Redis that lost everything have another clock, its
    /// entries would come before those that were read, and never be seen.
    async fn started_over(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(&self.key).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: StreamRangeReply = newest.query_async(connection).await?;
        if newest.ids.first().is_some_and(|newest| position(&newest.id) < position(&self.last)) {
            tracing::info!(
                key = self.key,
                "the stream begins anew, and is read from its beginning"
            );
            BEGINNING.clone_into(&mut self.last);
        }
        Ok(())
    }

    fn take(&mut self, entry: &StreamId) {
        let request = entry.get::<Vec<u8>>(PUSH_STREAM_FIELD);
        let request = request.and_then(|request| PushReq::decode(&*request).ok());
        match request {
            Some(request) if request.gateway_boot_id == self.gateway_boot_id => {
                self.junk = false;
                self.pushes.accept(request);
            }
            _ => {
                if !std::mem::replace(&mut self.junk, true) {
                    let (key, id) = (&self.key, &entry.id);
                    tracing::error!(
                        key,
                        id,
                        "an entry of the stream does not parse and is skipped"
                    );
                    // It may have been a push.
                    self.pushes.resync(Some("junk"));
                }
            }
        }
    }

    /// What was read is not needed any more.
    async fn trim(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut trim = redis::pipe();
        trim.cmd("XTRIM").arg(&self.key).arg("MINID").arg(&self.last).ignore();
        trim.cmd("XLEN").arg(&self.key);
        let (length,): (u32,) = trim.query_async(connection).await?;
        // The last one read stays.
        self.waiting.set(length.saturating_sub(1));
        Ok(())
    }
}

/// The order of ids: by time in ms, then by number.
fn position(id: &str) -> (u64, u64) {
    let (ms, number) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

fn too_slow() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "it does not answer in time").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_their_numbers() {
        assert!(position("9-10") < position("10-9"));
        assert!(position("10-9") < position("10-10"));
        assert_eq!(position(BEGINNING), (0, 0));
    }
}
