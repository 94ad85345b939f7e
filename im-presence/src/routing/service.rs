//! `RoutingService`: requests to the port, and its outcomes to answers.

use std::sync::Arc;

use im_common::in_one_line;
use metrics::counter;
use mpim_proto::{
    BindResp, BindRouteReq, DropGatewayReq, DropGatewayResp, GatewayBoot, ListGatewaysReq,
    ListGatewaysResp, PickGatewayReq, PickGatewayResp, QuerySessionsReq, QuerySessionsResp,
    RenewRoutesReq, RenewRoutesResp, ResolveReq, ResolveResp, UnbindRouteReq, UnbindRouteResp,
    routing_service,
};
use mprpc::{Context, Status};

use super::Heard;
use super::messages::{by_gateway, check_names, check_offer, reachable};
use super::routes::{Bound, Gateway, Key, Offer, Route, Routes, RoutesError};
use super::strategy::Strategy;

/// What the user of a session that another one replaced is told.
pub(crate) const REPLACED: &str = "logged in elsewhere";

/// See the module.
#[derive(Debug)]
pub(crate) struct Routing<R> {
    routes: R,
    /// What is left when the routes cannot be read.
    heard: Heard,
    strategy: Strategy,
}

/// The one place where a failure of the routes becomes a status.
fn status(error: RoutesError) -> Status {
    match error {
        RoutesError::Full { .. } => Status::resource_exhausted(error.to_string()),
        RoutesError::Unavailable(_) => Status::unavailable(in_one_line(&error)),
    }
}

impl<R: Routes> Routing<R> {
    pub(crate) fn new(routes: R, heard: Heard, strategy: Strategy) -> Self {
        Self { routes, heard, strategy }
    }

    /// Frees what has expired. To be called from time to time.
    pub(crate) async fn sweep(&self) {
        self.routes.sweep().await;
    }

    /// What can be said without the routes, if anything.
    fn heard_of(&self, error: RoutesError) -> Result<Vec<GatewayBoot>, Status> {
        let gateways = self.heard.gateways();
        if gateways.is_empty() { Err(status(error)) } else { Ok(named(&gateways)) }
    }
}

fn named(gateways: &[Arc<Gateway>]) -> Vec<GatewayBoot> {
    gateways.iter().map(|gateway| GatewayBoot::from(&**gateway)).collect()
}

fn ok() -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::ok())
}

impl<R: Routes> routing_service::Server for Routing<R> {
    async fn bind(&self, _cx: &Context, req: BindRouteReq) -> Result<BindResp, Status> {
        check_names(&[&req.gateway_id, &req.device, &req.session_id])?;
        let excludes = req.excludes();
        // One of the original system tells nothing but its name.
        let gateway = match req.gateway_addr.as_str() {
            "" => Arc::new(Gateway { id: req.gateway_id, ..Gateway::default() }),
            _ => reachable(GatewayBoot {
                gateway_id: req.gateway_id,
                gateway_addr: req.gateway_addr,
                boot_id: req.boot_id,
            })?,
        };
        // It is alive, whatever becomes of its request.
        self.heard.note(&gateway);
        let route = Route {
            user_id: req.user_id,
            device: req.device,
            session_id: req.session_id,
            since_ms: req.since_ms,
            gateway,
        };
        Ok(match self.routes.bind(route, excludes).await.map_err(status)? {
            Bound::Here { since_ms, replaced } => {
                let replaced = replaced.into_iter().map(Into::into).collect();
                BindResp { result: ok(), since_ms, replaced }
            }
            Bound::Fenced => {
                let result = Some(mpim_proto::Result::invalid(REPLACED));
                BindResp { result, ..BindResp::default() }
            }
        })
    }

    async fn unbind(&self, _cx: &Context, req: UnbindRouteReq) -> Result<UnbindRouteResp, Status> {
        let key = Key { user_id: req.user_id, device: req.device, session_id: req.session_id };
        // Not there any more is as good: somebody else's route is none of the caller's business.
        self.routes.unbind(&req.boot_id, &key).await.map_err(status)?;
        Ok(UnbindRouteResp { result: ok() })
    }

    async fn renew(&self, _cx: &Context, req: RenewRoutesReq) -> Result<RenewRoutesResp, Status> {
        let RenewRoutesReq { gateway_id, boot_id, routes, gateway_addr, offer } = req;
        let gateway = reachable(GatewayBoot { gateway_id, gateway_addr, boot_id })?;
        self.heard.note(&gateway);
        let offer = offer.map(check_offer).transpose()?;
        if let Some(offer) = &offer {
            self.heard.note_offer(&gateway, offer);
        }
        let keys = routes.into_iter().map(Key::from).collect();
        let missing = self.routes.renew(&gateway, offer, keys).await.map_err(status)?;
        let missing = missing.into_iter().map(Into::into).collect();
        Ok(RenewRoutesResp { result: ok(), missing, ..RenewRoutesResp::default() })
    }

    async fn query(
        &self,
        _cx: &Context,
        req: QuerySessionsReq,
    ) -> Result<QuerySessionsResp, Status> {
        let routes = self.routes.query(req.user_id).await.map_err(status)?;
        let sessions = routes.into_iter().map(Into::into).collect();
        Ok(QuerySessionsResp { result: ok(), sessions })
    }

    async fn resolve(&self, _cx: &Context, req: ResolveReq) -> Result<ResolveResp, Status> {
        let (at, anywhere) = match self.routes.resolve(&req.user_ids).await {
            Ok(resolved) => (by_gateway(resolved), Vec::new()),
            Err(error) => (Vec::new(), self.heard_of(error)?),
        };
        Ok(ResolveResp { result: ok(), at, anywhere })
    }

    async fn list_gateways(
        &self,
        _cx: &Context,
        _: ListGatewaysReq,
    ) -> Result<ListGatewaysResp, Status> {
        let (gateways, incomplete) = match self.routes.gateways().await {
            Ok(gateways) => {
                gateways.iter().for_each(|gateway| self.heard.note(gateway));
                (named(&gateways), false)
            }
            Err(error) => (self.heard_of(error)?, true),
        };
        Ok(ListGatewaysResp { result: ok(), gateways, incomplete })
    }

    async fn drop_gateway(
        &self,
        _cx: &Context,
        req: DropGatewayReq,
    ) -> Result<DropGatewayResp, Status> {
        self.heard.forget(&req.boot_id);
        self.routes.drop_gateway(&req.boot_id).await.map_err(status)?;
        Ok(DropGatewayResp { result: ok() })
    }

    async fn pick_gateway(
        &self,
        _cx: &Context,
        req: PickGatewayReq,
    ) -> Result<PickGatewayResp, Status> {
        let offered = match self.routes.offers().await {
            Ok(offered) => offered,
            Err(error) => {
                let offered = self.heard.offers();
                if offered.is_empty() {
                    return Err(status(error));
                }
                offered
            }
        };
        let picked = self.strategy.pick(req.user_id, &offered);
        let outcome = if picked.is_some() { "picked" } else { "no_gateway" };
        counter!("mpim_presence_gateways_picked_total", "outcome" => outcome).increment(1);
        Ok(match picked {
            Some((gateway, Offer { endpoint, frames_endpoint, .. })) => PickGatewayResp {
                result: ok(),
                gateway_id: gateway.id.clone(),
                endpoint: endpoint.clone(),
                frames_endpoint: frames_endpoint.clone(),
            },
            None => {
                let result = Some(mpim_proto::Result::not_found("no gateway"));
                PickGatewayResp { result, ..PickGatewayResp::default() }
            }
        })
    }
}
