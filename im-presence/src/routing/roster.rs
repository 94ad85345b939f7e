//! The gateways that are there, for parts that have to reach all of them.

use std::sync::Arc;
use std::time::Duration;

use im_common::Shutdown;
use mpim_proto::{DropGatewayReq, ListGatewaysReq, routing_service};
use mprpc::{Context, Status};

use super::{Gateway, Heard, gateways};

/// Asks routing, and remembers what it said: while routing is away, the gateways that it named
/// lately are as good as any list, since a gateway ignores what is not for its sessions.
#[derive(Debug)]
pub(crate) struct Roster<G> {
    routing: Arc<G>,
    heard: Heard,
}

/// Gateways.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) gateways: Vec<Arc<Gateway>>,
    /// They are those that were heard of, since routing could not say which ones there are. One that
    /// routing could list and did not has no sessions with a route.
    pub(crate) incomplete: bool,
}

impl<G: routing_service::Server> Roster<G> {
    pub(crate) fn new(routing: Arc<G>, heard: Heard) -> Self {
        Self { routing, heard }
    }

    #[cfg(test)]
    pub(crate) fn routing(&self) -> &Arc<G> {
        &self.routing
    }

    /// Every gateway that is there, as far as can be known.
    ///
    /// # Errors
    /// Routing is away, and none was heard of lately.
    pub(crate) async fn gateways(&self, cx: &Context) -> Result<Vec<Arc<Gateway>>, Status> {
        Ok(self.listing(cx).await?.gateways)
    }

    /// The same, and whether there may be others.
    ///
    /// # Errors
    /// As [`gateways`](Self::gateways).
    pub(crate) async fn listing(&self, cx: &Context) -> Result<Listing, Status> {
        let answer = match self.routing.list_gateways(cx, ListGatewaysReq::default()).await {
            Ok(answer) => answer,
            Err(status) => {
                let gateways = self.remembered(status)?;
                return Ok(Listing { gateways, incomplete: true });
            }
        };
        let listed = gateways(answer.gateways);
        if answer.incomplete {
            return Ok(Listing { gateways: self.with_remembered(&listed), incomplete: true });
        }
        listed.iter().for_each(|gateway| self.note(gateway));
        Ok(Listing { gateways: listed, incomplete: false })
    }

    /// These, and those that were heard of lately: routing may just have started, and know few.
    pub(crate) fn with_remembered(&self, listed: &[Arc<Gateway>]) -> Vec<Arc<Gateway>> {
        listed.iter().for_each(|gateway| self.note(gateway));
        self.heard.gateways()
    }

    /// Those heard of lately, without asking; `status` if there are none.
    pub(crate) fn remembered(&self, status: Status) -> Result<Vec<Arc<Gateway>>, Status> {
        let gateways = self.heard.gateways();
        if gateways.is_empty() { Err(status) } else { Ok(gateways) }
    }

    /// A gateway is alive.
    pub(crate) fn note(&self, gateway: &Arc<Gateway>) {
        self.heard.note(gateway);
    }

    /// A boot of a gateway is gone: its routes are dropped.
    pub(crate) async fn gone(&self, cx: &Context, gateway: &Gateway) {
        self.heard.forget(&gateway.boot_id);
        let request = DropGatewayReq { boot_id: gateway.boot_id.clone() };
        if let Err(status) = self.routing.drop_gateway(cx, request).await {
            // They end with their lifetime.
            tracing::debug!(%status, "could not drop the routes of a gateway that is gone");
        }
    }

    /// Asks once an `interval` until the shutdown, so that what is remembered is fresh, and gives each
    /// gateway to `meet`.
    pub(crate) async fn follow(
        self: Arc<Self>,
        interval: Duration,
        shutdown: Shutdown,
        meet: impl Fn(&Arc<Gateway>),
    ) {
        while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
            let cx = Context::with_timeout(interval);
            // While they cannot be listed, what is known stays.
            self.gateways(&cx).await.unwrap_or_default().iter().for_each(&meet);
        }
    }
}
