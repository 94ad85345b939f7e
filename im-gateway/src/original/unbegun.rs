//! A log-in that the original's im-user has let in, and whose session may never begin.

use std::sync::Arc;

use im_wire::{Reply, failure};
use tokio::sync::oneshot;

use super::instead::is_of_original;
use crate::gateway::Gateway;
use crate::log_in::{self, Proved, Revoked};

/// Waits for a log-in, which goes on although nobody waits any more: a call that is broken off may
/// have let the user in all the same, and then its answer is dropped, and they are logged out.
pub(crate) async fn to_its_end(
    gateway: &Gateway,
    asking: impl Future<Output = Result<Proved, Reply>> + Send + 'static,
) -> Result<Proved, Reply> {
    if gateway.original.is_none() {
        return asking.await;
    }
    let (answer, answered) = oneshot::channel();
    gateway.tasks.spawn("log-in", async move {
        let _ = answer.send(asking.await);
    });
    answered.await.unwrap_or_else(|_| Err(Reply::err(failure::UNAVAILABLE)))
}

/// Logs the user out again if it is dropped before the session begins, because the connection broke:
/// the original's im-user would refuse them from then on.
pub(crate) struct Unbegun(Option<(Arc<Gateway>, i64, String)>);

impl Unbegun {
    pub(crate) fn new(gateway: &Arc<Gateway>, user_id: i64, token: &str) -> Self {
        let concerned = gateway.original.is_some() && is_of_original(token);
        Self(concerned.then(|| (Arc::clone(gateway), user_id, token.to_owned())))
    }

    /// The session began, or somebody else has seen to its end.
    pub(crate) fn settled(mut self) {
        self.0 = None;
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        let Some((gateway, user_id, token)) = self.0.take() else { return };
        let tasks = gateway.tasks.clone();
        tasks.spawn("log-out", async move {
            // A failure is logged there.
            let _ = log_in::revoke(&gateway, Revoked::of_token(user_id, token)).await;
        });
    }
}
