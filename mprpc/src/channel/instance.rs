//! One instance: how to reach it, and how loaded it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use prost::Message;

use super::reconnect::Reconnect;
use crate::balance::mix;
use crate::discovery::{Endpoint, Wires};
use crate::transport::Dialer;
use crate::transport::classic_client::{Bounds, ClassicPool};
use crate::{Address, Context, ServiceDescriptor, Status};

/// What is called, in the terms of both wires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callee {
    pub(super) service: &'static ServiceDescriptor,
    /// Its index in the service.
    pub(super) method: usize,
    /// Its number on the channel's connections.
    pub(super) number: u16,
}

/// One instance of one or more services.
#[derive(Debug)]
pub(crate) struct Instance {
    address: Address,
    /// Of its address: the same in every process.
    hash: u64,
    in_flight: AtomicUsize,
    way: Way,
}

#[derive(Debug)]
enum Way {
    V2(Reconnect),
    Classic(Arc<ClassicPool>),
}

impl Instance {
    pub(super) fn new(endpoint: &Endpoint, dialer: Dialer, classic: Bounds) -> Self {
        let way = match endpoint.wires {
            Wires::V2 => Way::V2(Reconnect::new(dialer)),
            Wires::Classic => {
                let pool = Arc::new(ClassicPool::new(dialer, classic));
                ClassicPool::spawn_trimming(&pool);
                Way::Classic(pool)
            }
        };
        let hash = hash(&endpoint.address);
        Self { address: endpoint.address.clone(), hash, in_flight: AtomicUsize::new(0), way }
    }

    /// What decides which keys belong to it.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many calls are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it is known to be away, so that another instance is better. Not known of one that
    /// speaks only the classic wire.
    pub(super) fn is_down(&self) -> bool {
        matches!(&self.way, Way::V2(connection) if connection.is_down())
    }

    /// Finds out, while calls go elsewhere, whether one that is away has come back.
    pub(super) fn try_again(&self) {
        if let Way::V2(connection) = &self.way {
            connection.try_again();
        }
    }

    /// Makes a call and decodes its answer. Cancel safe: dropping the future gives the call up.
    pub(super) async fn call<Resp: Message + Default>(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
    ) -> Result<Resp, Status> {
        let _counted = Counted::new(&self.in_flight);
        cx.span().record("peer", tracing::field::display(&self.address));
        let outcome = match &self.way {
            Way::V2(connection) => connection.call(callee, cx, message).await,
            Way::Classic(pool) => {
                pool.call(callee.service, callee.method, cx.deadline(), message).await
            }
        };
        outcome.and_then(decode).map_err(|status| status.with_peer(self.address.clone()))
    }
}

fn decode<Resp: Message + Default>(answer: Bytes) -> Result<Resp, Status> {
    Resp::decode(answer)
        .map_err(|error| Status::internal(format!("the answer does not parse: {error}")))
}

/// FNV-1a of its text: the same in every process and version.
fn hash(address: &Address) -> u64 {
    let bytes = address.to_string();
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Counts a call for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(in_flight: &'a AtomicUsize) -> Self {
        in_flight.fetch_add(1, Ordering::Relaxed);
        Self(in_flight)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
