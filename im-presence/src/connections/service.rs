//! `ConnectionService`: asks gateways, wherever they are.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::{
    CloseDeviceReq, CloseEndedReq, CloseLogInsReq, CloseSessionReq, CloseSessionsReq,
    CloseSessionsResp, GatewayBoot, ListGatewaysReq, ListGatewaysResp, QuerySessionsReq,
    QuerySessionsResp, connection_service, gateway_service, routing_service,
};
use mprpc::{Context, Status};
use tokio::task::JoinSet;

use super::Gateways;
use crate::routing::{Gateway, Listing, Roster, gateway};

/// See the module.
#[derive(Debug)]
pub(crate) struct Connections<G> {
    pub(crate) routing: Arc<G>,
    pub(crate) roster: Arc<Roster<G>>,
    pub(crate) gateways: Gateways,
    /// How long a gateway may take to hand over the cursors of what it closes.
    pub(crate) close_timeout: Duration,
}

impl<G: routing_service::Server> Connections<G> {
    /// Asks gateways to close sessions, all at once. Gateways of the original system cannot be asked.
    async fn close(
        &self,
        cx: &Context,
        requests: impl Iterator<Item = (Arc<Gateway>, Asked)>,
    ) -> CloseSessionsResp {
        let cx = cx.capped(self.close_timeout);
        let mut closing = JoinSet::new();
        let mut unreached = 0;
        for (gateway, asked) in requests {
            if gateway.is_original() {
                continue;
            }
            let Some(client) = self.gateways.client(&gateway) else {
                unreached += 1;
                continue;
            };
            let (cx, boot_id) = (cx.clone(), gateway.boot_id.clone());
            closing.spawn(async move {
                let closed = asked.of(&client, &cx, boot_id).await;
                closed.map_err(|status| (gateway, status))
            });
        }
        for closed in closing.join_all().await {
            if let Err((gateway, status)) = closed {
                unreached += 1;
                // It is dead, or frozen. A session that was replaced has lost its route either way,
                // and gets no more pushes.
                let gateway_id = &gateway.id;
                tracing::info!(gateway_id, %status, "a gateway could not be asked to close sessions");
            }
        }
        let result = Some(mpim_proto::Result::ok());
        CloseSessionsResp { result, unreached, incomplete: false }
    }

    /// The same of every gateway that there may be.
    async fn close_everywhere(
        &self,
        cx: &Context,
        asked: &Asked,
    ) -> Result<CloseSessionsResp, Status> {
        let Listing { gateways, incomplete } = self.roster.listing(cx).await?;
        let requests = gateways.into_iter().map(|gateway| (gateway, asked.clone()));
        Ok(CloseSessionsResp { incomplete, ..self.close(cx, requests).await })
    }
}

/// What a gateway is asked to close.
#[derive(Clone, Debug)]
enum Asked {
    Sessions(CloseSessionReq),
    LogIns(CloseLogInsReq),
}

impl Asked {
    /// Asks the gateway with this boot.
    async fn of(
        self,
        gateway: &gateway_service::Client,
        cx: &Context,
        boot_id: String,
    ) -> Result<(), Status> {
        match self {
            Self::Sessions(request) => {
                let request = CloseSessionReq { boot_id, ..request };
                gateway.close_session(cx, request).await.map(drop)
            }
            Self::LogIns(request) => {
                let request = CloseLogInsReq { boot_id, ..request };
                gateway.close_log_ins(cx, request).await.map(drop)
            }
        }
    }
}

impl<G: routing_service::Server> connection_service::Server for Connections<G> {
    async fn list_gateways(
        &self,
        cx: &Context,
        _: ListGatewaysReq,
    ) -> Result<ListGatewaysResp, Status> {
        let Listing { gateways, incomplete } = self.roster.listing(cx).await?;
        let gateways = gateways.iter().map(|gateway| GatewayBoot::from(&**gateway)).collect();
        let result = Some(mpim_proto::Result::ok());
        Ok(ListGatewaysResp { result, gateways, incomplete })
    }

    async fn list_sessions(
        &self,
        cx: &Context,
        req: QuerySessionsReq,
    ) -> Result<QuerySessionsResp, Status> {
        self.routing.query(cx, req).await
    }

    async fn close_sessions(
        &self,
        cx: &Context,
        req: CloseSessionsReq,
    ) -> Result<CloseSessionsResp, Status> {
        let CloseSessionsReq { sessions, reason } = req;
        let requests = sessions.into_iter().filter_map(|session| {
            let request = CloseSessionReq {
                session_id: session.session_id,
                reason: reason.clone(),
                ..CloseSessionReq::default()
            };
            Some((gateway(session.gateway)?, Asked::Sessions(request)))
        });
        Ok(self.close(cx, requests).await)
    }

    async fn close_device(
        &self,
        cx: &Context,
        req: CloseDeviceReq,
    ) -> Result<CloseSessionsResp, Status> {
        let CloseDeviceReq { user_id, device, reason, began_before_ms, .. } = req;
        let request = CloseSessionReq {
            user_id,
            device,
            device_class: req.device_class,
            reason,
            began_before_ms,
            generation_max: req.generation_max,
            ..CloseSessionReq::default()
        };
        self.close_everywhere(cx, &Asked::Sessions(request)).await
    }

    async fn close_log_ins(
        &self,
        cx: &Context,
        req: CloseEndedReq,
    ) -> Result<CloseSessionsResp, Status> {
        let request = CloseLogInsReq { boot_id: String::new(), ended: req.ended };
        self.close_everywhere(cx, &Asked::LogIns(request)).await
    }
}
