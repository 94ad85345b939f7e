//! `PresenceService`: the original's methods, and what gateways and im-message ask. Each is passed to
//! the part that it concerns; what belongs together is put together here.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::{
    BindRouteReq, BindRouteResp, C2cMsg, CloseDeviceReq, CloseEndedReq, CloseSessionsResp,
    DeliveReq, DeliveResp, DeviceName, DispatchEventsReq, DispatchEventsResp, DispatchReq,
    DispatchResp, GatewayBoot, GetPresenceReq, GetPresenceResp, MeetReq, QueryDevicesReq,
    QueryDevicesResp, QueryRouteReq, QueryRouteResp, QuerySessionsReq, RenewRoutesReq,
    RenewRoutesResp, StatusChangedReq, StatusChangedResp, UnbindRouteReq, UnbindRouteResp,
    connection_service, dispatch_service, presence_service, routing_service,
};
use mprpc::{Context, Status};
use prost::Message as _;

use super::bind::Binder;
use super::original::{Original, Outgoing};
use crate::status::Statuses;

/// Users of one `GetPresence`.
const USERS_MAX: usize = 500;

/// A gateway of the original may call its devices anything.
fn check_device(device: &str) -> Result<(), Status> {
    match DeviceName::parse(device) {
        Some(_) => Ok(()),
        None => Err(Status::invalid_argument("bad device")),
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PresenceService<G, C, D> {
    pub(crate) statuses: Arc<Statuses<G, D>>,
    pub(crate) routing: Arc<G>,
    pub(crate) dispatch: Arc<D>,
    pub(crate) binder: Binder<G, C>,
    /// How long a renewal waits for dispatch, which it can do without.
    pub(crate) meet_timeout: Duration,
    /// Only beside the original system.
    pub(crate) original: Option<Original>,
}

impl<G, C, D> presence_service::Server for PresenceService<G, C, D>
where
    G: routing_service::Server,
    C: connection_service::Server,
    D: dispatch_service::Server,
{
    async fn bind_route(&self, cx: &Context, req: BindRouteReq) -> Result<BindRouteResp, Status> {
        let original = req.gateway_addr.is_empty();
        if !original {
            check_device(&req.device)?;
        }
        let (user_id, gateway_id) = (req.user_id, req.gateway_id.clone());
        let (boot_id, again) = (req.boot_id.clone(), req.since_ms != 0);
        let bound = self.binder.bind(cx, req).await?;
        if let (true, Some(beside)) = (original, &self.original) {
            beside.bind(user_id, &gateway_id).await;
        }
        if !original && bound.result.as_ref().is_some_and(mpim_proto::Result::is_ok) {
            self.statuses.bound(user_id, &boot_id, again);
        }
        Ok(bound)
    }

    async fn query_route(
        &self,
        cx: &Context,
        req: QueryRouteReq,
    ) -> Result<QueryRouteResp, Status> {
        let QueryRouteReq { user_id } = req;
        let mut sessions = self.routing.query(cx, QuerySessionsReq { user_id }).await?.sessions;
        let gateway = sessions.pop().and_then(|session| session.gateway);
        let gateway_id = match (gateway, &self.original) {
            (Some(gateway), _) => Some(gateway.gateway_id),
            (None, Some(beside)) => beside.query(user_id).await,
            (None, None) => None,
        };
        Ok(match gateway_id {
            Some(gateway_id) => {
                QueryRouteResp { result: Some(mpim_proto::Result::ok()), gateway_id }
            }
            None => QueryRouteResp {
                result: Some(mpim_proto::Result::not_found("no route")),
                gateway_id: String::new(),
            },
        })
    }

    async fn deliver(&self, cx: &Context, req: DeliveReq) -> Result<DeliveResp, Status> {
        let Some(beside) = &self.original else {
            return self.dispatch.deliver(cx, req).await;
        };
        let DeliveReq { to, payload } = req.clone();
        let delivered = self.dispatch.deliver(cx, req).await;
        let Ok(msg) = C2cMsg::decode(payload.clone()) else {
            return delivered;
        };
        let outgoing = Outgoing::delivered(to, &msg, payload);
        if beside.deliver(cx, &*self.routing, outgoing).await {
            return Ok(DeliveResp { result: Some(mpim_proto::Result::ok()) });
        }
        delivered
    }

    async fn unbind_route(
        &self,
        cx: &Context,
        req: UnbindRouteReq,
    ) -> Result<UnbindRouteResp, Status> {
        if let (true, Some(beside)) = (req.boot_id.is_empty(), &self.original) {
            beside.unbind(cx, &*self.routing, req.user_id).await?;
            return Ok(UnbindRouteResp { result: Some(mpim_proto::Result::ok()) });
        }
        let user_id = req.user_id;
        let unbound = self.routing.unbind(cx, req).await?;
        self.statuses.ended(user_id);
        Ok(unbound)
    }

    async fn renew_routes(
        &self,
        cx: &Context,
        req: RenewRoutesReq,
    ) -> Result<RenewRoutesResp, Status> {
        let gateway = GatewayBoot {
            gateway_id: req.gateway_id.clone(),
            gateway_addr: req.gateway_addr.clone(),
            boot_id: req.boot_id.clone(),
        };
        let meet = MeetReq { gateway: Some(gateway) };
        let meet_cx = cx.capped(self.meet_timeout);
        // Each matters without the other: the gateway is alive, whatever becomes of its routes.
        let (renewed, met) =
            tokio::join!(self.routing.renew(cx, req), self.dispatch.meet(&meet_cx, meet));
        let renewed = renewed?;
        // Without an answer no link is named: the links say themselves how far they are.
        let met = met.unwrap_or_default();
        Ok(RenewRoutesResp { boot_id: met.boot_id, last_push: met.last_push, ..renewed })
    }

    async fn query_devices(
        &self,
        cx: &Context,
        req: QueryDevicesReq,
    ) -> Result<QueryDevicesResp, Status> {
        let asked = QuerySessionsReq { user_id: req.user_id };
        let sessions = self.routing.query(cx, asked).await?.sessions;
        let mut devices: Vec<String> = sessions.into_iter().map(|it| it.device).collect();
        devices.sort_unstable();
        devices.dedup();
        Ok(QueryDevicesResp { result: Some(mpim_proto::Result::ok()), devices })
    }

    async fn dispatch_events(
        &self,
        cx: &Context,
        req: DispatchEventsReq,
    ) -> Result<DispatchEventsResp, Status> {
        self.dispatch.dispatch_events(cx, req).await
    }

    async fn status_changed(
        &self,
        _cx: &Context,
        req: StatusChangedReq,
    ) -> Result<StatusChangedResp, Status> {
        self.statuses.changed(req.user_id);
        Ok(StatusChangedResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn get_presence(
        &self,
        cx: &Context,
        req: GetPresenceReq,
    ) -> Result<GetPresenceResp, Status> {
        if req.user_ids.len() > USERS_MAX {
            return Err(Status::invalid_argument(format!("more than {USERS_MAX} users")));
        }
        Ok(match self.statuses.of(cx, req.asker_id, req.user_ids).await? {
            Some(users) => GetPresenceResp { result: Some(mpim_proto::Result::ok()), users },
            None => {
                let result = Some(mpim_proto::Result::invalid("not a friend"));
                GetPresenceResp { result, users: Vec::new() }
            }
        })
    }

    async fn close_device(
        &self,
        cx: &Context,
        req: CloseDeviceReq,
    ) -> Result<CloseSessionsResp, Status> {
        self.binder.connections.close_device(cx, req).await
    }

    async fn close_log_ins(
        &self,
        cx: &Context,
        req: CloseEndedReq,
    ) -> Result<CloseSessionsResp, Status> {
        self.binder.connections.close_log_ins(cx, req).await
    }

    async fn dispatch(&self, cx: &Context, req: DispatchReq) -> Result<DispatchResp, Status> {
        let beside = self.original.as_ref();
        let beside = beside.map(|beside| (beside, Outgoing::dispatched(&req.deliveries)));
        let dispatched = self.dispatch.dispatch(cx, req).await?;
        // After the others, who are not to wait for it.
        let published = match beside {
            Some((beside, outgoing)) => beside.dispatch(cx, &*self.routing, outgoing).await,
            None => Vec::new(),
        };
        Ok(DispatchResp { published, ..dispatched })
    }
}
