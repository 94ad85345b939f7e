//! Binding a session's route, which fences the session that had it.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::CloseSessionReq;
use mprpc::Context;

use crate::gateways::Gateways;
use crate::routes::{Bound, Route, Routes, RoutesError};

/// What the user of an older session is told.
pub(crate) const REASON: &str = "logged in elsewhere";

/// Binds routes and closes the sessions that they replace.
#[derive(Debug)]
pub(crate) struct Binder<R> {
    pub(crate) routes: Arc<R>,
    pub(crate) gateways: Gateways,
    /// How long the gateway of a replaced session may take to hand over its cursors.
    pub(crate) close_timeout: Duration,
}

impl<R: Routes> Binder<R> {
    /// Binds `route`. If that replaces another session of the device, its gateway is first told to
    /// close it: once this returns, that session's cursors are handed over, or had their time, and
    /// the new session can sync without showing again what the old one has shown.
    ///
    /// Answers when the session began, or `None` if one that began later has the route.
    pub(crate) async fn bind(
        &self,
        cx: &Context,
        route: Route,
    ) -> Result<Option<i64>, RoutesError> {
        // The route changes hands before the old session is closed: what is dispatched in between
        // goes to the new one, which has not synced yet and will fetch it.
        let Bound::Here { since_ms, replaced } = self.routes.bind(route).await? else {
            return Ok(None);
        };
        if let Some(old) = replaced {
            self.fence(cx, old).await;
        }
        Ok(Some(since_ms))
    }

    async fn fence(&self, cx: &Context, old: Route) {
        let Some(client) = self.gateways.client(&old.gateway) else {
            return;
        };
        let request = CloseSessionReq {
            boot_id: old.gateway.boot_id.clone(),
            session_id: old.session_id,
            reason: REASON.to_owned(),
        };
        if let Err(status) = client.close_session(&cx.capped(self.close_timeout), request).await {
            // It is dead, or frozen: it has lost its route either way, and gets no more pushes.
            tracing::info!(
                user_id = old.user_id,
                gateway_id = old.gateway.id,
                %status,
                "a replaced session could not be closed"
            );
        }
    }
}
