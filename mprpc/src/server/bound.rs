//! A server's life: it serves, leaves, drains and ends.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::{FusedFuture, FutureExt, join_all, select_all};

use super::at_work::AtWork;
use super::builder::Ways;
use super::connections::{Acceptor, Connections};
use super::threads::Threads;
use super::{ServerBuilder, ServerHandle, ServerState};
use crate::discovery::{Endpoint, IdTaken, Registration};
use crate::{Address, ServiceDescriptor};

/// Why a server ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its id belongs to another instance that lives.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A [thread](ServerBuilder::threads) could not be started.
    #[error("starting a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A server that listens and does not serve yet.
pub struct BoundServer {
    builder: ServerBuilder,
    ways: Ways,
    handle: ServerHandle,
}

impl BoundServer {
    pub(super) fn new(mut builder: ServerBuilder, ways: Ways) -> Self {
        if let Some(health) = &builder.health {
            let services = builder.services.descriptors().map(|service| service.full_name);
            health.know(services.chain([""]));
            builder.services.add_unannounced(&health.service());
        }
        Self { builder, ways, handle: ServerHandle::new() }
    }

    /// The first IP address that is listened on; `0.0.0.0:0` if there is none.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.ways.bound.iter().find_map(Address::tcp).unwrap_or(([0, 0, 0, 0], 0).into())
    }

    /// The addresses that are listened on.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.ways.bound
    }

    /// Makes the server leave, and tells how far it has come.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until `shutdown` is ready or the [handle](Self::handle) says so, then leaves:
    ///
    /// 1. **Lame duck**: it withdraws from the registries and is not healthy any more, but serves.
    /// 2. **Drain**: it closes its listeners, asks clients to open no more calls, and waits for
    ///    those in flight and for [detached](crate::Context::detach) work.
    /// 3. **Force**: what the drain timeout did not suffice for is ended.
    ///
    /// Cancel safe in that dropping it stops accepting and withdraws; connections then finish on
    /// their own.
    ///
    /// # Errors
    /// A registry found the server's id in use by another instance. It has left in the same way.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { mut builder, ways, handle } = self;
        let Ways { mut listeners, shards, bound } = ways;
        let _end = handle.end_on_drop();
        builder.services.intercept(&builder.interceptors);
        let services = std::mem::take(&mut builder.services);
        let announced: Vec<_> = services.descriptors().collect();
        let mut connections =
            Connections::new(services, builder.default_timeout, builder.detached_max);
        connections.callers = builder.callers.clone();
        #[cfg(feature = "tls")]
        {
            connections.tls = builder.tls.clone();
        }
        connections.offer = builder.offer.bounded();
        connections.at_work = Arc::new(AtWork::new(builder.calls_max));
        connections.request_bytes_max = builder.request_bytes_max;
        let acceptor = Acceptor::new(connections, builder.connections_max);
        let leave = acceptor.leave_on_drop();
        let threads = Threads::start(shards, &acceptor).await?;
        let registrations = announce(&builder, &announced, &bound);
        let mut stop = std::pin::pin!(
            async {
                tokio::select! {
                    () = shutdown => {}
                    () = handle.ordered(ServerState::Draining) => {}
                }
            }
            .fuse()
        );
        if let Some(health) = &builder.health {
            health.serve();
        }
        handle.enter(ServerState::Serving);
        threads.begin();
        let outcome = tokio::select! {
            () = acceptor.accept(&mut listeners) => Ok(()),
            taken = refused(&registrations) => Err(ServeError::IdTaken(taken)),
            () = &mut stop => Ok(()),
            () = handle.ordered(ServerState::LameDuck) => Ok(()),
        };

        if let Some(health) = &builder.health {
            health.leave();
        }
        handle.enter(ServerState::LameDuck);
        // Others learn of it a moment after the registry does, and until then they connect.
        let left = async {
            join_all(registrations.into_iter().map(Registration::withdraw)).await;
            if outcome.is_ok() && !stop.is_terminated() {
                stop.await;
            }
            if !builder.lame_duck_time.is_zero() {
                tokio::time::sleep(builder.lame_duck_time).await;
            }
        };
        tokio::select! {
            () = acceptor.accept(&mut listeners) => {}
            () = left => {}
            () = handle.ordered(ServerState::Forcing) => {}
        }

        acceptor.accept_last(listeners);
        let threads = threads.stop_accepting().await;
        handle.enter(ServerState::Draining);
        if let Some(health) = &builder.health {
            health.drain();
        }
        drop(leave);
        acceptor.drain(threads, builder.drain_timeout, &handle).await;
        outcome
    }
}

fn announce(
    builder: &ServerBuilder,
    services: &[&'static ServiceDescriptor],
    bound: &[Address],
) -> Vec<Registration> {
    let tcp = bound.iter().find(|address| address.tcp().is_some());
    let Some(address) = builder.advertise.as_ref().or(tcp).or(bound.first()) else {
        return Vec::new();
    };
    let mut endpoint = Endpoint {
        weight: builder.weight,
        zone: builder.zone.as_str().into(),
        tags: builder.tags.as_slice().into(),
        ..Endpoint::new(address.clone())
    };
    if let Some(id) = &builder.instance_id {
        endpoint.id.clone_from(id);
    }
    let registries = builder.registries.iter();
    registries
        .flat_map(|registry| {
            services.iter().map(|service| registry.register(service, endpoint.clone()))
        })
        .collect()
}

/// Ready when one of them is refused.
async fn refused(registrations: &[Registration]) -> IdTaken {
    if registrations.is_empty() {
        return std::future::pending().await;
    }
    let refusals = registrations.iter().map(|registration| Box::pin(registration.refused()));
    select_all(refusals).await.0
}
