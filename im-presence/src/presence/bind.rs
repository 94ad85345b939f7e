//! Binding a session's route, which fences the sessions that it replaces.
//!
//! While the routes are out of reach, a session that begins is accepted without one: entries go to
//! every gateway then, and so reach it. Every gateway is asked to close what it has that the new
//! session replaces. Once the routes are back, the gateway's next renewal finds this one missing and binds it, and if
//! an older session was overlooked, then is decided who has the route: the one that began later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use im_common::Clock;
use metrics::{Counter, counter};
use mpim_proto::{
    BindResp, BindRouteReq, BindRouteResp, CloseDeviceReq, CloseSessionsReq, Excludes,
    connection_service, routing_service,
};
use mprpc::{Code, Context, Status};

use crate::config::DevicesConfig;
use crate::routing::REPLACED;

/// Binds routes and closes the sessions that they replace.
#[derive(Debug)]
pub(crate) struct Binder<G, C> {
    routing: Arc<G>,
    pub(super) connections: Arc<C>,
    devices: DevicesConfig,
    clock: Clock,
    /// When the last of the sessions began that were bound here.
    latest_ms: AtomicI64,
    without_routes: Counter,
}

impl<G: routing_service::Server, C: connection_service::Server> Binder<G, C> {
    pub(crate) fn new(
        routing: Arc<G>,
        connections: Arc<C>,
        devices: DevicesConfig,
        clock: Clock,
    ) -> Self {
        let without_routes = counter!("mpim_presence_binds_without_routes_total");
        let latest_ms = AtomicI64::new(0);
        Self { routing, connections, devices, clock, latest_ms, without_routes }
    }

    /// Binds a route. If that replaces other sessions, which is for the policy of the device's class to
    /// say, their gateways are first told to close them: once this returns, those sessions' cursors are
    /// handed over, or had their time, and the new session can sync without showing again what an older
    /// one of its device has shown.
    pub(crate) async fn bind(
        &self,
        cx: &Context,
        req: BindRouteReq,
    ) -> Result<BindRouteResp, Status> {
        let excludes = self.devices.excludes(&req.device);
        let req = BindRouteReq { excludes: excludes.into(), ..req };
        // The route changes hands before the old sessions are closed: what is dispatched in between
        // goes to the new one, which has not synced yet and will fetch it.
        match self.routing.bind(cx, req.clone()).await {
            Ok(BindResp { result, since_ms, replaced }) => {
                self.latest_ms.fetch_max(since_ms, Ordering::Relaxed);
                if !replaced.is_empty() {
                    let reason = REPLACED.to_owned();
                    let request = CloseSessionsReq { sessions: replaced, reason };
                    self.noted(self.connections.close_sessions(cx, request).await);
                }
                Ok(BindRouteResp { result, since_ms })
            }
            // A session that binds again tries again by itself, and one at a gateway of the original
            // would never be bound.
            Err(status)
                if is_away(&status) && req.since_ms == 0 && !req.gateway_addr.is_empty() =>
            {
                let since_ms = self.begin_without_routes(cx, req, excludes).await;
                Ok(BindRouteResp { result: Some(mpim_proto::Result::ok()), since_ms })
            }
            Err(status) => Err(status),
        }
    }

    /// Answers when the session began: later than any that was bound here, also if their times are
    /// of a clock that is ahead of this machine's.
    async fn begin_without_routes(
        &self,
        cx: &Context,
        req: BindRouteReq,
        excludes: Excludes,
    ) -> i64 {
        self.without_routes.increment(1);
        let now_ms = self.clock.now_ms();
        let later = |latest_ms: i64| now_ms.max(latest_ms.saturating_add(1));
        let before = self
            .latest_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(later(latest)));
        let since_ms = later(before.unwrap_or_else(|latest_ms| latest_ms));
        let class = req.device.split(':').next().unwrap_or_default().to_owned();
        let (device, device_class) = match excludes {
            Excludes::Nothing => return since_ms,
            Excludes::Device => (req.device, String::new()),
            Excludes::Class => (String::new(), class),
        };
        let request = CloseDeviceReq {
            user_id: req.user_id,
            device,
            device_class,
            reason: REPLACED.to_owned(),
            began_before_ms: since_ms,
            ..CloseDeviceReq::default()
        };
        self.noted(self.connections.close_device(cx, request).await);
        since_ms
    }

    /// Whoever could not be closed has no route, and hears of it when it is next renewed.
    fn noted<T>(&self, closed: Result<T, Status>) {
        if let Err(status) = closed {
            tracing::info!(%status, "sessions that were replaced could not be closed");
        }
    }
}

/// Whether the routes are out of reach, or routing itself is: it may come back.
fn is_away(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}
