//! A server's life: it serves, leaves, drains and ends.

use std::future::Future;
use std::net::SocketAddr;

use futures_util::future::{join_all, select_all};

use super::ServerBuilder;
use super::connections::{Acceptor, Connections};
use crate::Address;
use crate::discovery::{Endpoint, IdTaken, Registration};
use crate::transport::Listener;

/// Why a server ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its id belongs to another instance that lives.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
}

/// A server that listens and does not serve yet.
pub struct BoundServer {
    builder: ServerBuilder,
    listeners: Vec<Listener>,
    bound: Vec<Address>,
}

impl BoundServer {
    pub(super) fn new(
        builder: ServerBuilder,
        listeners: Vec<Listener>,
        bound: Vec<Address>,
    ) -> Self {
        Self { builder, listeners, bound }
    }

    /// The first IP address that is listened on; `0.0.0.0:0` if there is none.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.iter().find_map(Address::tcp).unwrap_or(([0, 0, 0, 0], 0).into())
    }

    /// The addresses that are listened on.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.bound
    }

    /// Serves until `shutdown` is ready, then leaves: withdraws from the registries while it still
    /// serves, asks clients to open no more calls, waits for those in flight within the drain
    /// timeout, and closes.
    ///
    /// Cancel safe in that dropping it stops accepting and withdraws; connections then finish on
    /// their own.
    ///
    /// # Errors
    /// A registry found the server's id in use by another instance. It has left in the same way.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { mut builder, mut listeners, bound } = self;
        builder.services.intercept(&builder.interceptors);
        let registrations = announce(&builder, &bound);
        let connections =
            Connections::new(builder.services, builder.default_timeout, builder.detached_max);
        let acceptor = Acceptor::new(connections, builder.connections_max);
        let leave = acceptor.leave_on_drop();
        let outcome = tokio::select! {
            () = acceptor.accept(&mut listeners) => Ok(()),
            taken = refused(&registrations) => Err(ServeError::IdTaken(taken)),
            () = shutdown => Ok(()),
        };
        // Others learn of it a moment after the registry does, and until then they connect.
        let withdrawn = join_all(registrations.into_iter().map(Registration::withdraw));
        tokio::select! {
            () = acceptor.accept(&mut listeners) => {}
            _ = withdrawn => {}
        }
        acceptor.accept_last(listeners);
        drop(leave);
        acceptor.drain(builder.drain_timeout).await;
        outcome
    }
}

fn announce(builder: &ServerBuilder, bound: &[Address]) -> Vec<Registration> {
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
            let services = builder.services.descriptors();
            services.map(|service| registry.register(service, endpoint.clone()))
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
