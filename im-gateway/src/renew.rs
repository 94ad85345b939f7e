//! Keeps the routes alive, and finds out what was missed.

use std::sync::Arc;
use std::time::Duration;

use im_common::Shutdown;
use mpim_proto::{RenewRoutesReq, RouteKey};
use mprpc::{Context, Status};

use crate::config::ms;
use crate::gateway::Gateway;
use crate::original;
use crate::push::Pushes;
use crate::sessions::Handle;
use crate::spread::spread;

/// For one renewal: two that a hung im-presence holds up must fit into the lifetime of a route.
const RENEWAL_MAX: Duration = Duration::from_secs(2);

/// Renews all routes once an interval, until the shutdown. Also without any sessions: im-presence
/// then knows that the gateway is there.
pub(crate) async fn run(gateway: Arc<Gateway>, pushes: Arc<Pushes>, shutdown: Shutdown) {
    let interval = ms(gateway.config.routes.renew_interval_ms);
    let mut renewer = Renewer { gateway, pushes, failing: false };
    while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
        tokio::select! {
            () = renewer.round() => {}
            () = shutdown.triggered() => {}
        }
    }
}

struct Renewer {
    gateway: Arc<Gateway>,
    pushes: Arc<Pushes>,
    failing: bool,
}

impl Renewer {
    async fn round(&mut self) {
        let sessions = self.gateway.sessions.bound();
        let outcome = match self.renew(&sessions).await {
            // The original's im-presence does not know what that is: its routes are kept in Redis.
            Err(status) if original::serves(&self.gateway, &status) => Ok(()),
            outcome => outcome,
        };
        match &outcome {
            Err(status) if !self.failing => {
                tracing::warn!(%status, "routes are not renewed; trying on");
            }
            Ok(()) if self.failing => tracing::info!("routes are renewed again"),
            _ => {}
        }
        self.failing = outcome.is_err();
    }

    async fn renew(&mut self, sessions: &[Arc<Handle>]) -> Result<(), Status> {
        let timeout = ms(self.gateway.config.calls.timeout_ms).min(RENEWAL_MAX);
        let batch_max = self.gateway.config.routes.renew_batch_max;
        // An empty batch is one, too.
        let batches = sessions.chunks(batch_max).chain(sessions.is_empty().then_some(&[][..]));
        for batch in batches {
            let request = RenewRoutesReq {
                gateway_id: self.gateway.identity.gateway_id.clone(),
                boot_id: self.gateway.identity.boot_id.clone(),
                gateway_addr: self.gateway.identity.addr.clone(),
                offer: Some(self.gateway.identity.offer.clone()),
                routes: batch.iter().map(|session| session.key()).collect(),
            };
            let cx = Context::with_timeout(timeout);
            let answer = self.gateway.services.presence.renew_routes(&cx, request).await?;
            self.bind_missing(&answer.missing);
            // Instances take turns in answering: another boot id than the last says nothing. Routes
            // that were lost with one are among the missing, and their sessions sync.
            self.pushes.renewed(&answer.boot_id, answer.last_push);
        }
        Ok(())
    }

    /// Routes that im-presence does not have any more are bound again, and their sessions sync:
    /// nothing was pushed to them since.
    fn bind_missing(&self, missing: &[RouteKey]) {
        if !missing.is_empty() {
            tracing::info!(routes = missing.len(), "routes were lost and are bound again");
        }
        let at_most = ms(self.gateway.config.routes.sync_spread_ms);
        let spread = spread(missing.len(), at_most);
        for key in missing {
            if let Some(session) = self.gateway.sessions.get(&key.session_id) {
                session.mailbox.bind(spread);
            }
        }
    }
}
