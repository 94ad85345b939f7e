//! Beside gateways of the original system: they tell nobody but im-user that somebody is gone, by a
//! log-out when the connection ends. im-presence would go on publishing to them, and what is
//! published counts as given.

use std::time::Duration;

use im_common::Target;
use mpim_proto::{UnbindRouteReq, presence_service};
use mprpc::Context;
use serde::{Deserialize, Serialize};

/// Section `[original]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OriginalConfig {
    /// Whether gateways of the original system are part of the fleet.
    pub enabled: bool,
    /// Where im-presence is, to be told who is gone.
    pub presence: Target,
    /// How long a log-out waits for that at most.
    pub timeout_ms: u32,
}

impl Default for OriginalConfig {
    fn default() -> Self {
        Self { enabled: false, presence: Target::on_loopback(8012), timeout_ms: 500 }
    }
}

/// Tells im-presence. See the module.
#[derive(Debug)]
pub(crate) struct Gone {
    presence: presence_service::Client,
    timeout: Duration,
}

impl Gone {
    pub(crate) fn new(presence: presence_service::Client, config: &OriginalConfig) -> Self {
        Self { presence, timeout: Duration::from_millis(config.timeout_ms.into()) }
    }

    /// The user has no session on a gateway of the original any more. Best effort: their route ends
    /// by itself after a while.
    pub(crate) async fn tell(&self, cx: &Context, user_id: i64) {
        let request = UnbindRouteReq { user_id, ..UnbindRouteReq::default() };
        if let Err(status) = self.presence.unbind_route(&cx.capped(self.timeout), request).await {
            tracing::debug!(user_id, %status, "im-presence was not told who is gone");
        }
    }
}
