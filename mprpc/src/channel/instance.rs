//! One instance: how to reach it, and how loaded it is.

use std::sync::Arc;

use prost::Message;

use super::attempt::Times;
use super::connections::{Connections, Options};
use crate::balance::{Load, mix};
use crate::discovery::{Endpoint, Wires};
use crate::stream::Directions;
use crate::transport::Dialer;
use crate::transport::classic_client::{Bounds, ClassicPool};
use crate::transport::v2_client_streams::ClientStream;
use crate::wire::v2::arrived::Answer;
use crate::wire::v2::compression::Body;
use crate::{Address, Code, Context, Executed, ServiceDescriptor, Stage, Status};

/// What is called, in the terms of both wires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Callee {
    pub(super) service: &'static ServiceDescriptor,
    /// Its index in the service.
    pub(super) method: usize,
    /// Its number on the channel's connections.
    pub(super) number: u16,
    /// Whether the call may go to another instance if connecting to this one takes long.
    pub(super) may_move: bool,
}

/// One instance of one or more services.
#[derive(Debug)]
pub(crate) struct Instance {
    address: Address,
    /// Of its address: the same in every process.
    hash: u64,
    load: Load,
    way: Way,
}

#[derive(Debug)]
enum Way {
    V2(Connections),
    Classic(Arc<ClassicPool>),
}

impl Instance {
    pub(super) fn new(
        endpoint: &Endpoint,
        dialer: Dialer,
        options: Options,
        classic: Bounds,
    ) -> Self {
        let way = match endpoint.wires {
            Wires::V2 => Way::V2(Connections::new(dialer, options)),
            Wires::Classic => {
                let pool = Arc::new(ClassicPool::new(dialer, classic));
                ClassicPool::spawn_trimming(&pool);
                Way::Classic(pool)
            }
        };
        let hash = hash(&endpoint.address.to_string());
        Self { address: endpoint.address.clone(), hash, load: Load::default(), way }
    }

    /// What decides which keys belong to it.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many calls are in flight, and how long they take.
    pub(super) fn load(&self) -> &Load {
        &self.load
    }

    /// Whether it is known to be away, so that another instance is better. Not known of one that
    /// speaks only the classic wire.
    pub(super) fn is_down(&self) -> bool {
        matches!(&self.way, Way::V2(connections) if connections.is_down())
    }

    /// Whether a call need not wait for a connection. Not known of one that speaks only the classic
    /// wire, whose pool has nearly always one.
    fn is_connected(&self) -> bool {
        match &self.way {
            Way::V2(connections) => connections.is_connected(),
            Way::Classic(_) => true,
        }
    }

    /// Whether it is not known to be away. One that is is tried again, if that is due.
    pub(super) fn is_up(&self) -> bool {
        let is_down = self.is_down();
        if is_down {
            self.try_again();
        }
        !is_down
    }

    /// Finds out, while calls go elsewhere, whether one that is away has come back.
    fn try_again(&self) {
        if let Way::V2(connections) = &self.way {
            connections.try_again();
        }
    }

    /// Makes a call and decodes its answer.
    /// Cancel safe: dropping the future gives the call up.
    pub(super) async fn call<Resp: Message + Default>(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
        times: Times,
    ) -> Result<Resp, Status> {
        let counted = self.load.begin(times.began);
        let was_connected = times.began.is_some() && self.is_connected();
        cx.span().record("peer", tracing::field::display(&self.address));
        let outcome = match &self.way {
            Way::V2(connections) => connections.call(callee, cx, message, times.now).await,
            Way::Classic(pool) => {
                // Boxed, so that calls on the multiplexed wire stay small.
                let call = pool.call(callee.service, callee.method, cx.deadline(), message);
                Box::pin(call).await.map(|answer| Answer::Shared(Body::Plain(answer)))
            }
        };
        let outcome = outcome.and_then(Answer::decode);
        match &outcome {
            Ok(_) => counted.succeeded(was_connected),
            // The call of one caller who repeats it must not drive those of others away.
            Err(status) if was_refused_here(status) => drop(counted),
            Err(status) => counted.failed(status.code(), was_connected, self.is_down()),
        }
        outcome.map_err(|status| status.with_peer(self.address.clone()))
    }
}

/// What calls that stream need.
impl Instance {
    /// Opens a call that streams. Cancel safe: dropped before it is ready, it has opened none.
    pub(super) async fn open_stream(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
        directions: Directions,
    ) -> Result<ClientStream, Status> {
        cx.span().record("peer", tracing::field::display(&self.address));
        let opened = match &self.way {
            Way::V2(connections) => connections.open_stream(callee, cx, message, directions).await,
            Way::Classic(_) => {
                let path = callee.service.path(callee.method);
                let text = format!("{path} streams, and the instance speaks only the classic wire");
                Err(Status::unimplemented(text).not_executed().at(Stage::Connect))
            }
        };
        opened.map_err(|status| status.with_peer(self.address.clone()))
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

/// Whether the call was too large, or one too many, for anything of it to be sent: that says nothing
/// of the instance.
fn was_refused_here(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status.executed() == Executed::No
        && matches!(status.stage(), Stage::Connect | Stage::Write)
}

/// FNV-1a: the same in every process and version.
pub(super) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
