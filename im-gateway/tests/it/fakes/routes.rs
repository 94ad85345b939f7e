//! im-presence, as far as the gateway asks it.

use mpim_proto::{
    BindResp, BindRouteReq, BindRouteResp, CloseDeviceReq, CloseEndedReq, CloseSessionsResp,
    DeliveReq, DeliveResp, DispatchEventsReq, DispatchEventsResp, DispatchReq, DispatchResp,
    DropGatewayReq, DropGatewayResp, GetPresenceReq, GetPresenceResp, ListGatewaysReq,
    ListGatewaysResp, PickGatewayReq, PickGatewayResp, QueryDevicesReq, QueryDevicesResp,
    QueryRouteReq, QueryRouteResp, QuerySessionsReq, QuerySessionsResp, RenewRoutesReq,
    RenewRoutesResp, ResolveReq, ResolveResp, StatusChangedReq, StatusChangedResp, UnbindRouteReq,
    UnbindRouteResp, UserPresence, UserStatus, presence_service, routing_service,
};
use mprpc::{Context, Status};

use super::{Asked, Fakes, invalid, ok, original};

impl presence_service::Server for Fakes {
    async fn bind_route(&self, _: &Context, req: BindRouteReq) -> Result<BindRouteResp, Status> {
        self.note(Asked::Bind { user_id: req.user_id, session_id: req.session_id.clone() });
        self.state().gateway_boot_id.clone_from(&req.boot_id);
        self.before("bind_route").await?;
        if let Some(redis) = original::redis(self) {
            original::bind(&redis, req.user_id, &req.gateway_id).await;
            return Ok(BindRouteResp { result: ok(), since_ms: 0 });
        }
        let key = (req.user_id, req.device.clone());
        let mut state = self.state();
        let since_ms = if req.since_ms == 0 { state.next_since_ms() } else { req.since_ms };
        if state.routes.get(&key).is_some_and(|route| route.since_ms > since_ms) {
            let result = invalid("logged in elsewhere");
            return Ok(BindRouteResp { result, since_ms: 0 });
        }
        state.routes.insert(key, BindRouteReq { since_ms, ..req });
        Ok(BindRouteResp { result: ok(), since_ms })
    }

    async fn unbind_route(
        &self,
        _: &Context,
        req: UnbindRouteReq,
    ) -> Result<UnbindRouteResp, Status> {
        self.before("unbind_route").await?;
        let mut state = self.state();
        let (user_id, session_id) = (req.user_id, req.session_id);
        let key = (user_id, req.device);
        if state.routes.get(&key).is_some_and(|route| route.session_id == session_id) {
            state.routes.remove(&key);
        }
        state.asked.push(Asked::Unbind { user_id, session_id });
        Ok(UnbindRouteResp { result: ok() })
    }

    async fn renew_routes(
        &self,
        _: &Context,
        req: RenewRoutesReq,
    ) -> Result<RenewRoutesResp, Status> {
        self.before("renew_routes").await?;
        let mut state = self.state();
        state.renewals += 1;
        let missing = req.routes.into_iter().filter(|key| {
            let route = state.routes.get(&(key.user_id, key.device.clone()));
            route.is_none_or(|route| route.session_id != key.session_id)
        });
        Ok(RenewRoutesResp {
            result: ok(),
            missing: missing.collect(),
            boot_id: state.presence_boot_id.clone(),
            last_push: state.last_push,
        })
    }

    async fn query_route(&self, _: &Context, _: QueryRouteReq) -> Result<QueryRouteResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn close_device(
        &self,
        _: &Context,
        _: CloseDeviceReq,
    ) -> Result<CloseSessionsResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn close_log_ins(
        &self,
        _: &Context,
        _: CloseEndedReq,
    ) -> Result<CloseSessionsResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn query_devices(
        &self,
        _: &Context,
        req: QueryDevicesReq,
    ) -> Result<QueryDevicesResp, Status> {
        let state = self.state();
        let bound = state.routes.keys().filter(|(user_id, _)| *user_id == req.user_id);
        let mut devices: Vec<String> = bound.map(|(_, device)| device.clone()).collect();
        devices.sort_unstable();
        Ok(QueryDevicesResp { result: ok(), devices })
    }

    async fn deliver(&self, _: &Context, _: DeliveReq) -> Result<DeliveResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn dispatch_events(
        &self,
        _: &Context,
        _: DispatchEventsReq,
    ) -> Result<DispatchEventsResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn status_changed(
        &self,
        _: &Context,
        req: StatusChangedReq,
    ) -> Result<StatusChangedResp, Status> {
        self.note(Asked::StatusChanged(req.user_id));
        self.before("status_changed").await?;
        Ok(StatusChangedResp { result: ok() })
    }

    async fn get_presence(
        &self,
        _: &Context,
        req: GetPresenceReq,
    ) -> Result<GetPresenceResp, Status> {
        self.before("get_presence").await?;
        if req.user_ids != [req.asker_id] {
            return Ok(GetPresenceResp { result: invalid("not a friend"), users: Vec::new() });
        }
        let user = UserPresence { user_id: req.asker_id, status: UserStatus::Away.into() };
        Ok(GetPresenceResp { result: ok(), users: vec![user] })
    }

    async fn dispatch(&self, _: &Context, _: DispatchReq) -> Result<DispatchResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}

/// Of the routing part the gateway asks one thing itself.
impl routing_service::Server for Fakes {
    async fn pick_gateway(
        &self,
        _: &Context,
        _: PickGatewayReq,
    ) -> Result<PickGatewayResp, Status> {
        self.before("pick_gateway").await?;
        let picked = self.state().picked.clone();
        let result = picked.as_ref().map_or_else(|| not_found("no gateway"), |_| ok());
        let frames_endpoint = picked.unwrap_or_default();
        Ok(PickGatewayResp { result, frames_endpoint, ..PickGatewayResp::default() })
    }

    async fn bind(&self, _: &Context, _: BindRouteReq) -> Result<BindResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn unbind(&self, _: &Context, _: UnbindRouteReq) -> Result<UnbindRouteResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn renew(&self, _: &Context, _: RenewRoutesReq) -> Result<RenewRoutesResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn query(&self, _: &Context, _: QuerySessionsReq) -> Result<QuerySessionsResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn resolve(&self, _: &Context, _: ResolveReq) -> Result<ResolveResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn list_gateways(
        &self,
        _: &Context,
        _: ListGatewaysReq,
    ) -> Result<ListGatewaysResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn drop_gateway(
        &self,
        _: &Context,
        _: DropGatewayReq,
    ) -> Result<DropGatewayResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}

fn not_found(msg: &str) -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::not_found(msg))
}
