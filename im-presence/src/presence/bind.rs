//! Binding a session's route, which fences the session that had it.
//!
//! While the routes are out of reach, a session that begins is accepted without one: entries go to
//! every gateway then, and so reach it. Every gateway is asked to close what it has of the device.
//! Once the routes are back, the gateway's next renewal finds this one missing and binds it, and if
//! an older session was overlooked, then is decided who has the route: the one that began later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use im_common::Clock;
use metrics::{Counter, counter};
use mpim_proto::CloseSessionReq;
use mprpc::{Context, Status};
use tokio::task::JoinSet;

use crate::connections::Gateways;
use crate::routing::Heard;
use crate::routing::{Bound, Gateway, Route, Routes, RoutesError};

/// What the user of an older session is told.
pub(crate) const REASON: &str = "logged in elsewhere";

/// Binds routes and closes the sessions that they replace.
#[derive(Debug)]
pub(crate) struct Binder<R> {
    routes: Arc<R>,
    gateways: Gateways,
    heard: Arc<Heard>,
    clock: Clock,
    /// How long the gateway of a replaced session may take to hand over its cursors.
    close_timeout: Duration,
    /// When the last of the sessions began that were bound here.
    latest_ms: AtomicI64,
    without_routes: Counter,
}

impl<R: Routes> Binder<R> {
    pub(crate) fn new(
        routes: Arc<R>,
        gateways: Gateways,
        heard: Arc<Heard>,
        clock: Clock,
        close_timeout: Duration,
    ) -> Self {
        let without_routes = counter!("mpim_presence_binds_without_routes_total");
        let latest_ms = AtomicI64::new(0);
        Self { routes, gateways, heard, clock, close_timeout, latest_ms, without_routes }
    }

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
        match self.routes.bind(route.clone()).await {
            Ok(Bound::Here { since_ms, replaced }) => {
                self.latest_ms.fetch_max(since_ms, Ordering::Relaxed);
                if let Some(old) = replaced {
                    self.fence(cx, old).await;
                }
                Ok(Some(since_ms))
            }
            Ok(Bound::Fenced) => Ok(None),
            // A session that binds again tries again by itself, and one at a gateway of the original
            // would never be bound.
            Err(RoutesError::Unavailable(_))
                if route.since_ms == 0 && !route.gateway.is_original() =>
            {
                Ok(Some(self.begin_without_routes(cx, route).await))
            }
            Err(error) => Err(error),
        }
    }

    /// Answers when the session began: later than any that was bound here, also if their times are
    /// of a clock that is ahead of this machine's.
    async fn begin_without_routes(&self, cx: &Context, route: Route) -> i64 {
        self.without_routes.increment(1);
        let now_ms = self.clock.now_ms();
        let later = |latest_ms: i64| now_ms.max(latest_ms.saturating_add(1));
        let before = self
            .latest_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(later(latest)));
        let since_ms = later(before.unwrap_or_else(|latest_ms| latest_ms));
        let mut closing = JoinSet::new();
        for gateway in self.heard.gateways() {
            let request = CloseSessionReq {
                user_id: route.user_id,
                device: route.device.clone(),
                began_before_ms: since_ms,
                ..request(&gateway)
            };
            if let Some(closed) = self.close(cx, &gateway, request) {
                closing.spawn(closed);
            }
        }
        // Whoever cannot be reached hears of it when the routes are back.
        for closed in closing.join_all().await {
            if let Err(status) = closed {
                tracing::debug!(user_id = route.user_id, %status, "older sessions are not closed");
            }
        }
        since_ms
    }

    async fn fence(&self, cx: &Context, old: Route) {
        let request = CloseSessionReq { session_id: old.session_id, ..request(&old.gateway) };
        let Some(closed) = self.close(cx, &old.gateway, request) else { return };
        if let Err(status) = closed.await {
            // It is dead, or frozen: it has lost its route either way, and gets no more pushes.
            tracing::info!(
                user_id = old.user_id,
                gateway_id = old.gateway.id,
                %status,
                "a replaced session could not be closed"
            );
        }
    }

    /// `None` for a gateway that cannot be asked.
    fn close(
        &self,
        cx: &Context,
        gateway: &Gateway,
        request: CloseSessionReq,
    ) -> Option<impl Future<Output = Result<(), Status>> + Send + use<R>> {
        let client = self.gateways.client(gateway)?;
        let cx = cx.capped(self.close_timeout);
        Some(async move { client.close_session(&cx, request).await.map(drop) })
    }
}

fn request(gateway: &Gateway) -> CloseSessionReq {
    let (boot_id, reason) = (gateway.boot_id.clone(), REASON.to_owned());
    CloseSessionReq { boot_id, reason, ..CloseSessionReq::default() }
}
