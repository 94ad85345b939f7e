//! What all connections of this gateway share.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use im_common::{Clock, Tasks};
use mpim_proto::{
    GatewayOffer, group_service, message_service, presence_service, routing_service, user_service,
};
use tokio::sync::Semaphore;

use crate::advances::Advance;
use crate::complaints::Complaints;
use crate::config::{Config, SessionConfig};
use crate::fetches::{Range, Reader};
use crate::gather::Gather;
use crate::limits::Limits;
use crate::message_ids::MessageIds;
use crate::original::Routes;
use crate::sessions::Sessions;

/// The services that the gateway calls.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) user: user_service::Client,
    pub(crate) message: message_service::Client,
    pub(crate) presence: presence_service::Client,
    pub(crate) group: group_service::Client,
    /// The part of im-presence that has the routes.
    pub(crate) routing: routing_service::Client,
}

/// What im-presence knows this gateway by.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) gateway_id: String,
    /// `host:port` of the mprpc port.
    pub(crate) addr: String,
    /// Made anew at each start.
    pub(crate) boot_id: String,
    /// What clients are offered.
    pub(crate) offer: GatewayOffer,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) config: Config,
    /// `config.session`, which each session keeps.
    pub(crate) session_config: Arc<SessionConfig>,
    pub(crate) identity: Identity,
    pub(crate) services: Services,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) logins: Arc<Semaphore>,
    pub(crate) tokens: Semaphore,
    pub(crate) fetches: Semaphore,
    pub(crate) ranges: Arc<Gather<Range, Reader>>,
    pub(crate) advances: Arc<Gather<(), Advance>>,
    pub(crate) signals: Semaphore,
    pub(crate) complaints: Complaints,
    pub(crate) message_ids: MessageIds,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    /// Only beside the original system.
    pub(crate) original: Option<Routes>,
}

impl Gateway {
    pub(crate) fn new(
        config: Config,
        identity: Identity,
        services: Services,
        sessions: Arc<Sessions>,
        tasks: Tasks,
        clock: Clock,
        original: Option<Routes>,
    ) -> Self {
        Self {
            session_config: Arc::new(config.session.clone()),
            limits: Arc::new(Limits::new(&config.limits, &config.session)),
            identity,
            services,
            sessions,
            logins: Arc::new(Semaphore::new(config.calls.logins_max)),
            tokens: Semaphore::new(config.calls.tokens_max),
            fetches: Semaphore::new(config.calls.fetches_max),
            ranges: Arc::default(),
            advances: Arc::default(),
            signals: Semaphore::new(config.calls.signals_max),
            complaints: Complaints::new(),
            message_ids: MessageIds::new(&clock),
            tasks,
            clock,
            original,
            config,
        }
    }

    /// Spawns what is done for one client.
    pub(crate) fn spawn_for_client(
        &self,
        task: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.spawn(task, contained(task, work));
    }
}

/// A bug that one client has found must not end the service for the others.
fn contained(task: &'static str, work: impl Future<Output = ()>) -> impl Future<Output = ()> {
    AssertUnwindSafe(work).catch_unwind().map(move |ended| {
        if ended.is_err() {
            tracing::error!(task, "what was done for a client panicked, and was given up");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_for_one_client_ends_nothing_else() {
        let tasks = Tasks::new("test", im_common::Shutdown::default());
        tasks.spawn("bug", contained("bug", async { panic!("found") }));
        let (done, waits) = tokio::sync::oneshot::channel();
        tasks.spawn("after it", async move { done.send(()).unwrap() });
        waits.await.unwrap();
        assert!(!tasks.shutdown().is_triggered());
    }
}
