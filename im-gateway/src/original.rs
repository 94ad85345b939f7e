//! Beside services of the original system (`[original]` in the configuration).
//!
//! The original's services have fewer methods, so whoever asks finds out with each call: a method
//! that no listed instance serves is answered at once, and what the original has in its place is
//! asked for instead. So a fleet may change from one to the other while the gateway runs.
//!
//! | ours | the original's | what is lost |
//! |---|---|---|
//! | `SendBatch` | `Send`, `SendGroup`, one by one | a send whose answer was lost cannot be tried again |
//! | `ListBehind` and what follows | `PullOffline` | what was handed out and not shown is nowhere else |
//! | `BindRoute` that fences | `BindRoute` | a second log-in closes the first only on the same gateway |
//! | pushes over a link | Redis Pub/Sub | what is published while nobody listens |

mod instead;
mod routes;
mod subscription;
mod unbegun;

use std::sync::Arc;

use im_common::redis::Redis;
use im_common::{Readiness, Shutdown};

pub(crate) use self::instead::{bound, is_asked_instead, leave, pull, send, serves, token};
pub(crate) use self::routes::Routes;
use self::subscription::Subscription;
pub(crate) use self::unbegun::{Unbegun, to_its_end};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::push::Pushes;

/// What older sessions of a user are told, where no im-presence of ours tells them.
const REASON: &str = im_wire::closing::LOGGED_IN_ELSEWHERE;

/// The routes that the original's services look at, with the mode on.
pub(crate) fn routes(config: &Config, gateway_id: &str, readiness: &Readiness) -> Option<Routes> {
    if !config.original.enabled {
        return None;
    }
    let redis = &config.redis;
    let redis = Redis::connect("metadata", &redis.metadata_url, &redis.shared, readiness)?;
    Some(Routes::new(redis, gateway_id.to_owned(), config))
}

/// Runs what the mode needs besides: the subscription, and the renewals of the routes.
pub(crate) fn run(
    gateway: &Arc<Gateway>,
    pushes: &Arc<Pushes>,
    queue: Option<Redis>,
    shutdown: &Shutdown,
) {
    if gateway.original.is_none() {
        return;
    }
    if let Some(queue) = queue {
        let (id, sessions) = (&gateway.identity.gateway_id, Arc::clone(&gateway.sessions));
        let subscription = Subscription::new(queue, id, sessions, Arc::clone(pushes));
        gateway.tasks.spawn_essential("subscription", subscription.run(shutdown.clone()));
    }
    let renewals = routes::run(Arc::clone(gateway), shutdown.clone());
    gateway.tasks.spawn_essential("original routes", renewals);
}
