//! Keeps the routes alive, and finds out what was missed.

use std::sync::{Arc, Mutex, PoisonError};

use im_common::Shutdown;
use mpim_proto::{RenewRoutesReq, RouteKey};
use mprpc::{Context, Status};

use crate::config::ms;
use crate::gateway::Gateway;
use crate::push::{Link, sync_all};
use crate::sessions::Handle;

/// Renews all routes once an interval, until the shutdown. Also without any sessions: im-presence
/// then knows that the gateway is there.
pub(crate) async fn run(gateway: Arc<Gateway>, link: Arc<Mutex<Link>>, shutdown: Shutdown) {
    let interval = ms(gateway.config.routes.renew_interval_ms);
    let mut renewer = Renewer { gateway, link, presence_boot_id: String::new(), failing: false };
    while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
        tokio::select! {
            () = renewer.round() => {}
            () = shutdown.triggered() => {}
        }
    }
}

struct Renewer {
    gateway: Arc<Gateway>,
    link: Arc<Mutex<Link>>,
    /// Of the im-presence that answered last.
    presence_boot_id: String,
    failing: bool,
}

impl Renewer {
    async fn round(&mut self) {
        let sessions = self.gateway.sessions.bound();
        let outcome = self.renew(&sessions).await;
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
        let timeout = ms(self.gateway.config.calls.timeout_ms);
        let batch_max = self.gateway.config.routes.renew_batch_max;
        // An empty batch is one, too.
        let batches = sessions.chunks(batch_max).chain(sessions.is_empty().then_some(&[][..]));
        for batch in batches {
            let request = RenewRoutesReq {
                gateway_id: self.gateway.identity.gateway_id.clone(),
                boot_id: self.gateway.identity.boot_id.clone(),
                routes: batch.iter().map(|session| session.key()).collect(),
            };
            let cx = Context::with_timeout(timeout);
            let answer = self.gateway.services.presence.renew_routes(&cx, request).await?;
            self.bind_missing(&answer.missing);
            self.compare(answer.boot_id, answer.last_push);
        }
        Ok(())
    }

    /// Routes that im-presence does not have any more are bound again, and their sessions sync:
    /// nothing was pushed to them since.
    fn bind_missing(&self, missing: &[RouteKey]) {
        if !missing.is_empty() {
            tracing::info!(routes = missing.len(), "routes were lost and are bound again");
        }
        for key in missing {
            if let Some(session) = self.gateway.sessions.get(&key.session_id) {
                session.mailbox.bind();
            }
        }
    }

    fn compare(&mut self, boot_id: String, last_push: u64) {
        let missed = {
            let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
            link.last_push(&boot_id, last_push)
        };
        let restarted = !self.presence_boot_id.is_empty() && self.presence_boot_id != boot_id;
        self.presence_boot_id = boot_id;
        if missed || restarted {
            // Sessions whose routes went with the former im-presence are among the missing and sync
            // after binding; those that were bound since may have missed what came before.
            tracing::info!(missed, restarted, "every session compares heads");
            let spread = ms(self.gateway.config.routes.sync_spread_ms);
            sync_all(&self.gateway.sessions, spread);
        }
    }
}
