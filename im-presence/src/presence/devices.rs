//! A user's devices: which are connected, and closing one for good.

use std::sync::Arc;

use mpim_proto::{
    CloseDeviceReq, CloseSessionsResp, QuerySessionsReq, UnbindRouteReq, connection_service,
    routing_service,
};
use mprpc::{Context, Status};

/// See the module.
#[derive(Debug)]
pub(crate) struct Devices<G, C> {
    pub(crate) routing: Arc<G>,
    pub(crate) connections: Arc<C>,
}

impl<G: routing_service::Server, C: connection_service::Server> Devices<G, C> {
    /// Those of `user_id` that are connected, each once, in order.
    pub(crate) async fn online(&self, cx: &Context, user_id: i64) -> Result<Vec<String>, Status> {
        let sessions = self.routing.query(cx, QuerySessionsReq { user_id }).await?.sessions;
        let mut devices: Vec<String> = sessions.into_iter().map(|it| it.device).collect();
        devices.sort_unstable();
        devices.dedup();
        Ok(devices)
    }

    /// Closes every session of a device, wherever it may be. Every gateway is asked, since a session
    /// that is only beginning has no route yet. One that does not answer may be frozen with a session:
    /// that has lost its route, and its gateway asks im-user before it binds it again.
    ///
    /// # Errors
    /// If a session may live on: the routes are out of reach, and so is a gateway. What could be
    /// closed is closed; it can be asked for again.
    pub(crate) async fn close(
        &self,
        cx: &Context,
        req: CloseDeviceReq,
    ) -> Result<CloseSessionsResp, Status> {
        let (user_id, device) = (req.user_id, req.device.clone());
        let routed = self.routing.query(cx, QuerySessionsReq { user_id }).await;
        let closed = self.connections.close_device(cx, req).await?;
        let sessions = match routed {
            Ok(routed) => routed.sessions,
            Err(_) if closed.unreached == 0 => return Ok(closed),
            Err(status) => return Err(status),
        };
        // Those that were closed have done this themselves.
        for session in sessions.into_iter().filter(|session| session.device == device) {
            let request = UnbindRouteReq {
                user_id,
                device: session.device,
                boot_id: session.gateway.unwrap_or_default().boot_id,
                session_id: session.session_id,
            };
            self.routing.unbind(cx, request).await?;
        }
        Ok(closed)
    }
}
