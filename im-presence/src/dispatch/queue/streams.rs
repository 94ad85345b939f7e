//! Pushes over Redis: one stream for each boot of a gateway, which alone reads it.
//!
//! The entries are the same numbered requests that are pushed directly, so the gateway finds losses
//! the same way, whether a stream was trimmed, wiped, or never written. While Redis is away, requests
//! take the direct way, within the same numbers. What needs to be confirmed always does.

use std::sync::Arc;
use std::time::Duration;

use im_common::redis::{Redis, RedisFailure};
use mpim_proto::{PUSH_STREAM_FIELD, Push, PushReq, push_stream_name, routing_service};
use prost::Message as _;

use super::carrier::{Carrier, Carriers, Failure};
use super::direct::{Direct, DirectCarrier};
use super::linked::{Around, LinkedQueue};
use super::{Queue, QueueError};
use crate::connections::Gateways;
use crate::routing::Gateway;

/// The bounds of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    /// Requests that it keeps, about.
    pub(crate) requests_max: usize,
    /// How long it is kept after the last one.
    pub(crate) ttl: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct StreamQueue<G> {
    streams: LinkedQueue<G, Streams>,
    /// Links of their own, for what is to be confirmed.
    direct: LinkedQueue<G, Direct>,
}

impl<G: routing_service::Server> StreamQueue<G> {
    pub(crate) fn new(
        around: Around<G>,
        gateways: Gateways,
        redis: Redis,
        limits: StreamLimits,
    ) -> Self {
        let timeout = around.limits.timeout;
        let direct = || Direct { gateways: gateways.clone(), timeout };
        let mut confirmed = around.clone();
        // Numbers of another link must not be mistaken for those of this one.
        confirmed.boot_id.push_str("-direct");
        let streams = Streams { redis, limits, direct: direct() };
        Self {
            streams: LinkedQueue::new("streams", around, streams),
            direct: LinkedQueue::new("direct", confirmed, direct()),
        }
    }
}

impl<G: routing_service::Server> Queue for StreamQueue<G> {
    fn heard_of(&self, gateway: &Arc<Gateway>) -> u64 {
        self.streams.heard_of(gateway)
    }

    async fn offer(&self, gateway: &Arc<Gateway>, pushes: Vec<Push>, resync: bool) {
        self.streams.offer(gateway, pushes, resync).await;
    }

    async fn deliver(&self, gateway: &Arc<Gateway>, push: Push) -> Result<u32, QueueError> {
        self.direct.deliver(gateway, push).await
    }

    fn close(&self) {
        self.streams.close();
        self.direct.close();
    }
}

/// Writes to the streams of gateways.
#[derive(Debug)]
struct Streams {
    redis: Redis,
    limits: StreamLimits,
    direct: Direct,
}

impl Carriers for Streams {
    type Carrier = StreamCarrier;

    fn to(&self, gateway: &Gateway) -> Option<StreamCarrier> {
        Some(StreamCarrier {
            direct: self.direct.to(gateway)?,
            key: self.redis.key(push_stream_name(&gateway.boot_id)),
            redis: self.redis.clone(),
            limits: self.limits,
        })
    }
}

/// The stream of one boot of a gateway.
#[derive(Debug)]
struct StreamCarrier {
    redis: Redis,
    key: String,
    limits: StreamLimits,
    direct: DirectCarrier,
}

impl StreamCarrier {
    async fn append(&self, request: Vec<u8>) -> Result<(), RedisFailure> {
        let ttl_ms = u64::try_from(self.limits.ttl.as_millis()).unwrap_or(u64::MAX);
        let (key, requests_max) = (&self.key, self.limits.requests_max);
        self.redis
            .run("append to a stream", |mut connection| async move {
                let mut append = redis::pipe();
                append.cmd("XADD").arg(key).arg("MAXLEN").arg("~").arg(requests_max);
                append.arg("*").arg(PUSH_STREAM_FIELD).arg(request).ignore();
                append.cmd("PEXPIRE").arg(key).arg(ttl_ms).ignore();
                append.query_async(&mut connection).await
            })
            .await
    }
}

impl Carrier for StreamCarrier {
    const CONFIRMS: bool = false;

    async fn carry(&self, push: PushReq) -> Result<u32, Failure> {
        match self.append(push.encode_to_vec()).await {
            Ok(()) => Ok(0),
            // It may nevertheless be in the stream, and come twice: sessions see to that.
            Err(_) => self.direct.carry(push).await,
        }
    }
}

#[cfg(test)]
mod tests;
