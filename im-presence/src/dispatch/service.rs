//! `DispatchService`: requests to the dispatcher, and its outcomes to answers.

use mpim_proto::{
    C2cMsg, DeliveReq, DeliveResp, DispatchEventsReq, DispatchEventsResp, DispatchReq,
    DispatchResp, MeetReq, MeetResp, dispatch_service, routing_service,
};
use mprpc::{Context, Status};
use prost::Message as _;

use super::dispatcher::{DeliverError, Dispatcher};
use super::events::EventDispatcher;
use super::queue::Queue;
use crate::routing::reachable;

/// Events of one `DispatchEvents`.
const EVENTS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Dispatch<G, Q> {
    /// Of the links.
    pub(crate) boot_id: String,
    pub(crate) dispatcher: Dispatcher<G, Q>,
    pub(crate) events: EventDispatcher<G>,
}

impl<G: routing_service::Server, Q: Queue> dispatch_service::Server for Dispatch<G, Q> {
    async fn dispatch(&self, cx: &Context, req: DispatchReq) -> Result<DispatchResp, Status> {
        self.dispatcher.dispatch(cx, req.deliveries, req.resync).await?;
        Ok(DispatchResp { result: Some(mpim_proto::Result::ok()), published: Vec::new() })
    }

    async fn deliver(&self, cx: &Context, req: DeliveReq) -> Result<DeliveResp, Status> {
        let result = match C2cMsg::decode(req.payload) {
            Err(_) => mpim_proto::Result::invalid("the payload is not a C2CMsg"),
            Ok(msg) => match self.dispatcher.deliver(cx, req.to, msg).await {
                Ok(_) => mpim_proto::Result::ok(),
                Err(DeliverError::Routes(status)) => return Err(status),
                Err(error) => mpim_proto::Result::not_found(&error.to_string()),
            },
        };
        Ok(DeliveResp { result: Some(result) })
    }

    async fn dispatch_events(
        &self,
        cx: &Context,
        req: DispatchEventsReq,
    ) -> Result<DispatchEventsResp, Status> {
        if req.events.len() > EVENTS_MAX {
            return Err(Status::invalid_argument(format!("more than {EVENTS_MAX} events")));
        }
        self.events.dispatch(cx, req.events).await;
        Ok(DispatchEventsResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn meet(&self, _cx: &Context, req: MeetReq) -> Result<MeetResp, Status> {
        let gateway = reachable(req.gateway.unwrap_or_default())?;
        let last_push = self.dispatcher.meet(&gateway);
        let (result, boot_id) = (Some(mpim_proto::Result::ok()), self.boot_id.clone());
        Ok(MeetResp { result, boot_id, last_push })
    }
}
