//! `PresenceService`: requests to use cases, and their outcomes to answers.

use std::sync::Arc;

use im_common::in_one_line;
use mpim_proto::{
    BindRouteReq, BindRouteResp, C2cMsg, DeliveReq, DeliveResp, DispatchReq, DispatchResp,
    QueryRouteReq, QueryRouteResp, RenewRoutesReq, RenewRoutesResp, RouteKey, UnbindRouteReq,
    UnbindRouteResp, presence_service,
};
use mprpc::{Context, Status};
use prost::Message as _;
use prost::bytes::Bytes;

use super::bind::{Binder, REASON};
use super::original::{Original, Outgoing};
use crate::connections::is_address;
use crate::dispatch::Queue;
use crate::dispatch::{DeliverError, Dispatcher};
use crate::routing::Heard;
use crate::routing::{Gateway, Key, Route, Routes, RoutesError};

/// See the module.
#[derive(Debug)]
pub(crate) struct PresenceService<R, Q> {
    pub(crate) boot_id: String,
    pub(crate) routes: Arc<R>,
    pub(crate) queue: Arc<Q>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) binder: Binder<R>,
    pub(crate) dispatcher: Dispatcher<R, Q>,
    /// Only beside the original system.
    pub(crate) original: Option<Original>,
}

/// The one place where a failure of the routes becomes a status.
fn status(error: RoutesError) -> Status {
    match error {
        RoutesError::Full { .. } => Status::resource_exhausted(error.to_string()),
        RoutesError::Unavailable(_) => Status::unavailable(in_one_line(&error)),
    }
}

/// The longest name (of a gateway, boot, device, session) that is kept.
const NAME_BYTES_MAX: usize = 256;

const NO_ADDRESS: &str = "gateway_addr must be host:port and come with a boot_id";

fn check_names(names: [&str; 4]) -> Result<(), Status> {
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(Status::invalid_argument(format!(
            "a name in the request is longer than {NAME_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

impl<R: Routes, Q: Queue> PresenceService<R, Q> {
    /// A gateway is alive, whatever becomes of its request. Answers with its last push.
    fn hear_of(&self, gateway: &Arc<Gateway>) -> u64 {
        self.heard.note(gateway);
        self.queue.heard_of(gateway)
    }
}

impl<R: Routes, Q: Queue> PresenceService<R, Q> {
    /// Shows a message to the sessions of a user, on gateways of ours and of the original.
    async fn deliver_everywhere(
        &self,
        to: i64,
        msg: C2cMsg,
        payload: Bytes,
    ) -> Result<(), DeliverError> {
        let outgoing = Outgoing::delivered(to, &msg, payload);
        let delivered = self.dispatcher.deliver(to, msg).await;
        let published = match &self.original {
            Some(beside) => beside.deliver(&*self.routes, outgoing).await,
            None => false,
        };
        if published { Ok(()) } else { delivered.map(drop) }
    }
}

impl<R: Routes, Q: Queue> presence_service::Server for PresenceService<R, Q> {
    async fn bind_route(&self, cx: &Context, req: BindRouteReq) -> Result<BindRouteResp, Status> {
        check_names([&req.gateway_id, &req.device, &req.boot_id, &req.session_id])?;
        let original = req.gateway_addr.is_empty();
        if !original && (!is_address(&req.gateway_addr) || req.boot_id.is_empty()) {
            return Err(Status::invalid_argument(NO_ADDRESS));
        }
        let gateway = Arc::new(Gateway {
            id: req.gateway_id,
            addr: req.gateway_addr,
            boot_id: if original { String::new() } else { req.boot_id },
        });
        self.hear_of(&gateway);
        let named = (req.user_id, Arc::clone(&gateway));
        let route = Route {
            user_id: req.user_id,
            device: req.device,
            session_id: req.session_id,
            since_ms: req.since_ms,
            gateway,
        };
        let bound = self.binder.bind(cx, route).await.map_err(status)?;
        if let (true, Some(beside)) = (original, &self.original) {
            beside.bind(named.0, &named.1.id).await;
        }
        Ok(match bound {
            Some(since_ms) => BindRouteResp { result: Some(mpim_proto::Result::ok()), since_ms },
            None => {
                BindRouteResp { result: Some(mpim_proto::Result::invalid(REASON)), since_ms: 0 }
            }
        })
    }

    async fn query_route(
        &self,
        _cx: &Context,
        req: QueryRouteReq,
    ) -> Result<QueryRouteResp, Status> {
        let routes = self.routes.query(req.user_id).await.map_err(status)?;
        let gateway_id = match (routes.last(), &self.original) {
            (Some(route), _) => Some(route.gateway.id.clone()),
            (None, Some(beside)) => beside.query(req.user_id).await,
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

    async fn deliver(&self, _cx: &Context, req: DeliveReq) -> Result<DeliveResp, Status> {
        let DeliveReq { to, payload } = req;
        let result = match C2cMsg::decode(payload.clone()) {
            Err(_) => mpim_proto::Result::invalid("the payload is not a C2CMsg"),
            Ok(msg) => match self.deliver_everywhere(to, msg, payload).await {
                Ok(()) => mpim_proto::Result::ok(),
                Err(DeliverError::Routes(error)) => return Err(status(error)),
                Err(error) => mpim_proto::Result::not_found(&error.to_string()),
            },
        };
        Ok(DeliveResp { result: Some(result) })
    }

    async fn unbind_route(
        &self,
        _cx: &Context,
        req: UnbindRouteReq,
    ) -> Result<UnbindRouteResp, Status> {
        if let (true, Some(beside)) = (req.boot_id.is_empty(), &self.original) {
            beside.unbind(&*self.routes, req.user_id).await.map_err(status)?;
            return Ok(UnbindRouteResp { result: Some(mpim_proto::Result::ok()) });
        }
        let key = Key { user_id: req.user_id, device: req.device, session_id: req.session_id };
        // Not there any more is as good: somebody else's route is none of the caller's business.
        self.routes.unbind(&req.boot_id, &key).await.map_err(status)?;
        Ok(UnbindRouteResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn renew_routes(
        &self,
        _cx: &Context,
        req: RenewRoutesReq,
    ) -> Result<RenewRoutesResp, Status> {
        check_names([&req.gateway_id, &req.boot_id, "", ""])?;
        if !is_address(&req.gateway_addr) || req.boot_id.is_empty() {
            return Err(Status::invalid_argument(NO_ADDRESS));
        }
        let keys = req.routes.into_iter().map(|key| Key {
            user_id: key.user_id,
            device: key.device,
            session_id: key.session_id,
        });
        let gateway = Gateway { id: req.gateway_id, addr: req.gateway_addr, boot_id: req.boot_id };
        let gateway = Arc::new(gateway);
        let last_push = self.hear_of(&gateway);
        let missing = self.routes.renew(&gateway, keys.collect()).await.map_err(status)?;
        let missing = missing.into_iter().map(|key| RouteKey {
            user_id: key.user_id,
            device: key.device,
            session_id: key.session_id,
        });
        Ok(RenewRoutesResp {
            result: Some(mpim_proto::Result::ok()),
            boot_id: self.boot_id.clone(),
            missing: missing.collect(),
            last_push,
        })
    }

    async fn dispatch(&self, _cx: &Context, req: DispatchReq) -> Result<DispatchResp, Status> {
        let beside = self.original.as_ref();
        let beside = beside.map(|beside| (beside, Outgoing::dispatched(&req.deliveries)));
        self.dispatcher.dispatch(req.deliveries, req.resync).await.map_err(status)?;
        // After the others, who are not to wait for it.
        let published = match beside {
            Some((beside, outgoing)) => beside.dispatch(&*self.routes, outgoing).await,
            None => Vec::new(),
        };
        Ok(DispatchResp { result: Some(mpim_proto::Result::ok()), published })
    }
}
