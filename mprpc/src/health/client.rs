//! Asks a server for its health.

use super::ServingStatus;
use super::proto::{HealthCheckRequest, HealthCheckResponse, health};
use crate::{Channel, Context, Receiver, Status};

/// Asks for the health of a server, mprpc's or another that serves `grpc.health.v1.Health` over it.
///
/// The service is not announced in registries, so the channel's target should name the server's
/// address: `static://host:port`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(health::Client);

impl Client {
    /// Calls go through `channel`. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(channel: &Channel) -> Self {
        Self(health::Client::new(channel))
    }

    /// The status of a service, by its name with the package; the empty name stands for the server
    /// as a whole. Cancel safe.
    ///
    /// # Errors
    /// `NOT_FOUND`: the server does not know the service. Else what kept the call from being
    /// answered: a server that cannot be reached is not healthy either.
    pub async fn check(&self, cx: &Context, service: &str) -> Result<ServingStatus, Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        self.0.check(cx, request).await.map(|answer: HealthCheckResponse| answer.status())
    }

    /// The status of a service, now and whenever it changes, until the context's deadline.
    ///
    /// # Errors
    /// What kept the call from being made.
    pub async fn watch(&self, cx: &Context, service: &str) -> Result<Watching, Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        self.0.watch(cx, request).await.map(Watching)
    }
}

/// News of a service's status. Dropping it ends the call.
#[derive(Debug)]
pub struct Watching(Receiver<HealthCheckResponse>);

impl Watching {
    /// The status, at first as it is, then as it changes. `SERVICE_UNKNOWN` is that of a service
    /// that the server does not know. Cancel safe.
    ///
    /// # Errors
    /// How the call ended: `UNAVAILABLE` when the server drains.
    pub async fn next(&mut self) -> Result<Option<ServingStatus>, Status> {
        let answer = self.0.next().await?;
        Ok(answer.map(|answer: HealthCheckResponse| answer.status()))
    }
}
