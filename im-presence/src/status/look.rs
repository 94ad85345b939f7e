//! What users are now: asked of the gateways at which they have routes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mpim_proto::{GetStatusesReq, ResolveReq, UserStatus, UsersAtGateway, routing_service};
use mprpc::{Context, Status};
use tokio::task::JoinSet;

use crate::connections::Gateways;
use crate::routing::{Gateway, gateway};

/// See the module.
#[derive(Debug)]
pub(super) struct Look<G> {
    pub(super) routing: Arc<G>,
    pub(super) gateways: Gateways,
    /// How long a gateway may take.
    pub(super) timeout: Duration,
}

/// What was seen of a user.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: UserStatus,
    /// The boots of gateways at which they have routes.
    pub(super) boots: HashSet<String>,
    /// One of them did not answer, so `status` is a guess.
    pub(super) guessed: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { status: UserStatus::Offline, boots: HashSet::new(), guessed: false }
    }
}

impl<G: routing_service::Server> Look<G> {
    /// What each of `user_ids` is who has a route anywhere; the others are left out. Somebody at a
    /// gateway that does not answer is online: they have a route there.
    ///
    /// # Errors
    /// The routes are out of reach.
    pub(super) async fn at(
        &self,
        cx: &Context,
        user_ids: Vec<i64>,
    ) -> Result<HashMap<i64, Seen>, Status> {
        let resolved = self.routing.resolve(cx, ResolveReq { user_ids }).await?;
        if !resolved.anywhere.is_empty() {
            return Err(Status::unavailable("the routes are out of reach"));
        }
        let mut all: HashMap<i64, Seen> = HashMap::new();
        let mut asking = JoinSet::new();
        for UsersAtGateway { gateway: boot, user_ids } in resolved.at {
            let Some(gateway) = gateway(boot) else { continue };
            for user_id in &user_ids {
                all.entry(*user_id).or_default().boots.insert(gateway.boot_id.clone());
            }
            asking.spawn(ask(self.gateways.clone(), gateway, user_ids, self.timeout));
        }
        while let Some(answer) = asking.join_next().await {
            let Answer { users, guessed } = answer.unwrap_or_default();
            for (user_id, status) in users {
                if let Some(seen) = all.get_mut(&user_id) {
                    seen.status = most(seen.status, status);
                    seen.guessed |= guessed;
                }
            }
        }
        Ok(all)
    }
}

/// What one gateway says of its users.
#[derive(Default)]
struct Answer {
    users: Vec<(i64, UserStatus)>,
    /// It said nothing.
    guessed: bool,
}

async fn ask(
    gateways: Gateways,
    gateway: Arc<Gateway>,
    user_ids: Vec<i64>,
    timeout: Duration,
) -> Answer {
    let online = |user_ids: Vec<i64>| {
        let users = user_ids.into_iter().map(|user_id| (user_id, UserStatus::Online)).collect();
        Answer { users, guessed: true }
    };
    let Some(client) = gateways.client(&gateway) else { return online(user_ids) };
    let gateway_boot_id = gateway.boot_id.clone();
    let request = GetStatusesReq { gateway_boot_id, user_ids: user_ids.clone() };
    match client.get_statuses(&Context::with_timeout(timeout), request).await {
        // Those that the gateway does not have are not there: their routes are about to go.
        Ok(answer) if answer.result.as_ref().is_some_and(mpim_proto::Result::is_ok) => {
            let found = answer.users.into_iter();
            let users = found.map(|user| (user.user_id, user.status())).collect();
            Answer { users, guessed: false }
        }
        // Another boot answers: this one is gone.
        Ok(_) => Answer::default(),
        Err(_) => online(user_ids),
    }
}

/// What a user is who is both: whoever does not want to be disturbed is nowhere to be disturbed, and
/// nobody is away who is here.
fn most(one: UserStatus, other: UserStatus) -> UserStatus {
    let rank = |status| match status {
        UserStatus::Offline => 0,
        UserStatus::Away => 1,
        UserStatus::Online => 2,
        UserStatus::Busy => 3,
    };
    if rank(one) >= rank(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UserStatus::{Away, Busy, Offline, Online};

    #[test]
    fn of_several_sessions_busy_counts_most_and_away_least() {
        for (sessions, user) in [
            (&[Away, Online][..], Online),
            (&[Online, Busy, Away], Busy),
            (&[Away, Away], Away),
            (&[], Offline),
        ] {
            assert_eq!(sessions.iter().copied().fold(Offline, most), user);
        }
    }
}
