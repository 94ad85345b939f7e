//! A part of im-presence as the other parts see it, wherever it runs.
//!
//! Parts meet only through the traits that are generated from their contracts. A part in the same
//! process is called directly, without a socket and without being encoded; one elsewhere through its
//! client. Whoever calls cannot tell, so there is one way through the code for both.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::{
    BindResp, BindRouteReq, CloseDeviceReq, CloseEndedReq, CloseSessionsReq, CloseSessionsResp,
    DeliveReq, DeliveResp, DispatchEventsReq, DispatchEventsResp, DispatchReq, DispatchResp,
    DropGatewayReq, DropGatewayResp, ListGatewaysReq, ListGatewaysResp, MeetReq, MeetResp,
    PickGatewayReq, PickGatewayResp, QuerySessionsReq, QuerySessionsResp, RenewRoutesReq,
    RenewRoutesResp, ResolveReq, ResolveResp, UnbindRouteReq, UnbindRouteResp, connection_service,
    dispatch_service, routing_service,
};
use mprpc::{Context, Status};

/// See the module.
#[derive(Debug)]
pub(crate) enum Part<H, E> {
    /// In this process.
    Here(Arc<H>),
    /// In another one. A call takes at most `timeout`, or less if its caller has less: a part that
    /// hangs must leave its caller time to go on without it.
    Elsewhere { client: E, timeout: Duration },
}

impl<H, E> Part<H, E> {
    /// The part itself, if this process has it.
    pub(crate) fn here(&self) -> Option<&Arc<H>> {
        match self {
            Self::Here(part) => Some(part),
            Self::Elsewhere { .. } => None,
        }
    }
}

/// Implements the trait of a service for [`Part`]: each method goes to wherever the part is.
macro_rules! goes_where_the_part_is {
    ($service:ident { $($method:ident: $request:ty => $answer:ty;)* }) => {
        impl<H: $service::Server, E: $service::Server> $service::Server for Part<H, E> {
            $(async fn $method(&self, cx: &Context, req: $request) -> Result<$answer, Status> {
                match self {
                    Self::Here(part) => part.$method(cx, req).await,
                    Self::Elsewhere { client, timeout } => {
                        client.$method(&cx.capped(*timeout), req).await
                    }
                }
            })*
        }
    };
}

goes_where_the_part_is!(routing_service {
    bind: BindRouteReq => BindResp;
    unbind: UnbindRouteReq => UnbindRouteResp;
    renew: RenewRoutesReq => RenewRoutesResp;
    query: QuerySessionsReq => QuerySessionsResp;
    resolve: ResolveReq => ResolveResp;
    list_gateways: ListGatewaysReq => ListGatewaysResp;
    drop_gateway: DropGatewayReq => DropGatewayResp;
    pick_gateway: PickGatewayReq => PickGatewayResp;
});

goes_where_the_part_is!(dispatch_service {
    dispatch: DispatchReq => DispatchResp;
    deliver: DeliveReq => DeliveResp;
    dispatch_events: DispatchEventsReq => DispatchEventsResp;
    meet: MeetReq => MeetResp;
});

goes_where_the_part_is!(connection_service {
    list_gateways: ListGatewaysReq => ListGatewaysResp;
    list_sessions: QuerySessionsReq => QuerySessionsResp;
    close_sessions: CloseSessionsReq => CloseSessionsResp;
    close_device: CloseDeviceReq => CloseSessionsResp;
    close_log_ins: CloseEndedReq => CloseSessionsResp;
});
