//! What a server says of its health.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::ServingStatus;
use super::proto::{HealthCheckRequest, HealthCheckResponse, health};
use crate::{Context, Sender, Service, Status};

/// Says which services serve. Clones say the same.
///
/// A server sets the empty name, which stands for it as a whole, and the names of its services to
/// `SERVING` when it is bound, unless they were set before. Whatever is set, it says `NOT_SERVING`
/// before it serves and once it leaves.
#[derive(Clone, Debug)]
pub struct HealthReporter(Arc<watch::Sender<Health>>);

#[derive(Debug, Default)]
struct Health {
    phase: Phase,
    services: HashMap<String, ServingStatus>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Serving,
    Leaving,
    /// Nobody may be kept waiting for news: the server waits for its calls to end.
    Draining,
}

impl Default for HealthReporter {
    fn default() -> Self {
        Self::new()
    }
}

impl HealthReporter {
    /// A reporter that knows no service yet. One is for one server.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Health::default())))
    }

    /// Sets the status of a service by its name with the package, or of the server as a whole by
    /// the empty name.
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        let service = service.into();
        self.0.send_if_modified(|health| health.services.insert(service, status) != Some(status));
    }

    /// What is said of a service now; nothing, if it is not known.
    #[must_use]
    pub fn status(&self, service: &str) -> Option<ServingStatus> {
        self.0.borrow().status(service)
    }

    /// Makes services known of which nothing was said.
    pub(crate) fn know<'a>(&self, services: impl Iterator<Item = &'a str>) {
        self.0.send_modify(|health| {
            for service in services {
                health.services.entry(service.to_owned()).or_insert(ServingStatus::Serving);
            }
        });
    }

    /// The server begins to serve.
    pub(crate) fn serve(&self) {
        self.0.send_modify(|health| health.phase = Phase::Serving);
    }

    /// The server leaves, and does not come back.
    pub(crate) fn leave(&self) {
        self.0.send_modify(|health| health.phase = Phase::Leaving);
    }

    /// The server drains: nobody can watch any more.
    pub(crate) fn drain(&self) {
        self.0.send_modify(|health| health.phase = Phase::Draining);
    }

    /// The service that says it.
    pub(crate) fn service(&self) -> Service {
        health::serve(self.clone())
    }
}

impl Health {
    fn status(&self, service: &str) -> Option<ServingStatus> {
        let status = *self.services.get(service)?;
        Some(if self.phase == Phase::Serving { status } else { ServingStatus::NotServing })
    }
}

impl health::Server for HealthReporter {
    async fn check(
        &self,
        _: &Context,
        request: HealthCheckRequest,
    ) -> Result<HealthCheckResponse, Status> {
        let status = self
            .status(&request.service)
            .ok_or_else(|| Status::not_found(format!("`{}` is not known here", request.service)))?;
        Ok(HealthCheckResponse { status: status.into() })
    }

    async fn watch(
        &self,
        _: &Context,
        request: HealthCheckRequest,
        mut responses: Sender<HealthCheckResponse>,
    ) -> Result<(), Status> {
        let mut health = self.0.subscribe();
        let mut said = None;
        loop {
            let (status, phase) = {
                let health = health.borrow_and_update();
                let status = health.status(&request.service);
                (status.unwrap_or(ServingStatus::ServiceUnknown), health.phase)
            };
            if said.replace(status) != Some(status) {
                responses.send(HealthCheckResponse { status: status.into() }).await?;
            }
            if phase == Phase::Draining || health.changed().await.is_err() {
                return Err(Status::unavailable("the server is stopping"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_counts_only_while_the_server_serves() {
        let reporter = HealthReporter::new();
        reporter.set("away", ServingStatus::NotServing);
        reporter.know(["", "away"].into_iter());
        assert_eq!(reporter.status(""), Some(ServingStatus::NotServing));
        reporter.serve();
        assert_eq!(reporter.status(""), Some(ServingStatus::Serving));
        assert_eq!(reporter.status("away"), Some(ServingStatus::NotServing));
        assert_eq!(reporter.status("other"), None);
        reporter.leave();
        reporter.set("", ServingStatus::Serving);
        assert_eq!(reporter.status(""), Some(ServingStatus::NotServing));
    }
}
