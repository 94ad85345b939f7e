//! Asks a server for its health.

use super::ServingStatus;
use super::proto::{HealthCheckRequest, HealthCheckResponse, health};
use crate::{Channel, Context, Status};

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
}
