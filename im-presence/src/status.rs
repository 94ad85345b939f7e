//! Who is online, busy or away, and telling their friends.
//!
//! The gateways have the truth: a user is what their sessions say, and is asked for there whenever
//! somebody wants to know. Nothing of it is stored. What is kept here is only what friends were told
//! last, so that a gateway that is restarted, or a client that reconnects, shows as nothing at all;
//! should it be lost, or be at another instance, friends are at worst told again what they know.

mod friends;
mod look;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use im_common::Shutdown;
use metrics::{Counter, Gauge, counter, gauge};
use mpim_proto::event::Content;
use mpim_proto::{
    DispatchEventsReq, Event, EventDelivery, GetFriendsReq, ListGatewaysReq, StatusEvent,
    UserPresence, UserStatus, dispatch_service, routing_service, user_service,
};
use mprpc::{Context, Status};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use self::friends::Friends;
use self::look::Look;
pub(crate) use self::table::StatusTimes;
use self::table::Table;
use crate::connections::Gateways;

/// Users that are looked at together.
const LOOK_MAX: usize = 256;

/// How often the gateways are listed.
const GATEWAYS_EVERY: Duration = Duration::from_secs(1);

/// Users of one question whose friends are asked for at a time.
const ASKED_MAX: usize = 8;

/// The bounds of [`Statuses`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLimits {
    pub(crate) times: StatusTimes,
    /// Users whose friends are told of changes.
    pub(crate) users_max: usize,
    /// How long a question to a gateway or to im-user may take.
    pub(crate) timeout: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Statuses<G, D> {
    look: Look<G>,
    users: user_service::Client,
    dispatch: Arc<D>,
    timeout: Duration,
    table: Mutex<Table>,
    sooner: Notify,
    known: Gauge,
    told: Counter,
    unknown: Counter,
    failed: Counter,
}

impl<G: routing_service::Server, D: dispatch_service::Server> Statuses<G, D> {
    pub(crate) fn new(
        routing: Arc<G>,
        dispatch: Arc<D>,
        gateways: Gateways,
        users: user_service::Client,
        limits: StatusLimits,
    ) -> Self {
        let StatusLimits { times, users_max, timeout } = limits;
        let look = Look { routing, gateways, timeout };
        Self {
            look,
            users,
            dispatch,
            timeout,
            table: Mutex::new(Table::new(times, users_max)),
            sooner: Notify::new(),
            known: gauge!("mpim_presence_statuses_known"),
            told: counter!("mpim_presence_statuses_told_total"),
            unknown: counter!("mpim_presence_statuses_without_room_total"),
            failed: counter!("mpim_presence_status_failures_total"),
        }
    }

    /// The route of a session was bound; `again` if the session had one before.
    pub(crate) fn bound(&self, user_id: i64, boot_id: &str, again: bool) {
        self.note(|table, now| match again {
            true => table.bound_again(user_id, boot_id, now),
            false => table.began(user_id, boot_id, now),
        });
    }

    /// A session has ended.
    pub(crate) fn ended(&self, user_id: i64) {
        self.note(|table, now| table.ended(user_id, now));
    }

    /// A session of the user has another status.
    pub(crate) fn changed(&self, user_id: i64) {
        self.note(|table, now| table.changed(user_id, now));
    }

    /// What `user_ids` are, for `asker`; `None` if one of them is neither a friend nor the asker.
    /// Whoever has just gone still counts as what their friends were told; whoever shuts the asker out is
    /// offline.
    ///
    /// # Errors
    /// im-user or the routes cannot be asked.
    pub(crate) async fn of(
        &self,
        cx: &Context,
        asker: i64,
        user_ids: Vec<i64>,
    ) -> Result<Option<Vec<UserPresence>>, Status> {
        let mut others = user_ids.clone();
        others.retain(|user_id| *user_id != asker);
        let asked = others.into_iter().map(|user_id| async move {
            Ok::<_, Status>((user_id, self.friends(cx, user_id).await?.is_shown_to(asker)))
        });
        let shown: Vec<_> =
            futures_util::stream::iter(asked).buffered(ASKED_MAX).try_collect().await?;
        let shown: Option<HashMap<i64, bool>> =
            shown.into_iter().map(|(user_id, shown)| Some((user_id, shown?))).collect();
        let Some(shown) = shown else { return Ok(None) };
        let is_shown = |user_id: &i64| shown.get(user_id) != Some(&false);
        let mut looked_at = user_ids.clone();
        looked_at.retain(is_shown);
        let seen = self.look.at(cx, looked_at).await?;
        let table = self.table();
        let presence = user_ids.into_iter().map(|user_id| {
            let seen = seen.get(&user_id).map_or(UserStatus::Offline, |seen| seen.status);
            let status = match seen {
                _ if !is_shown(&user_id) => UserStatus::Offline,
                UserStatus::Offline => table.told(user_id).unwrap_or(seen),
                status => status,
            };
            UserPresence { user_id, status: status.into() }
        });
        Ok(Some(presence.collect()))
    }

    /// Looks at those whose time has come, and tells their friends, until the shutdown.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        tokio::select! {
            () = self.look_for_ever() => {}
            () = shutdown.triggered() => {}
        }
    }

    async fn look_for_ever(&self) {
        let mut gateways_at = tokio::time::interval(GATEWAYS_EVERY);
        gateways_at.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due_at = self.table().due_at();
            let due = async {
                match due_at {
                    Some(due_at) => tokio::time::sleep_until(due_at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.look_at_due().await,
                () = self.sooner.notified() => {}
                _ = gateways_at.tick() => self.look_at_gateways().await,
            }
        }
    }

    /// Looks whether the gateways are still there at which users were.
    async fn look_at_gateways(&self) {
        let cx = Context::with_timeout(self.timeout);
        let listed = self.look.routing.list_gateways(&cx, ListGatewaysReq::default()).await;
        // While routing is away or does not know them all, what is known stays.
        if let Ok(listed) = listed
            && !listed.incomplete
        {
            let boots = listed.gateways.iter().map(|gateway| gateway.boot_id.as_str()).collect();
            self.table().gateways(&boots, Instant::now());
        }
    }

    async fn look_at_due(&self) {
        let due = self.table().take_due(Instant::now(), LOOK_MAX);
        if due.is_empty() {
            return;
        }
        let cx = Context::with_timeout(self.timeout);
        let mut seen = match self.look.at(&cx, due.clone()).await {
            Ok(seen) => seen,
            // They are due again soon.
            Err(status) => return self.fail(&status),
        };
        for user_id in due {
            let seen = seen.remove(&user_id).unwrap_or_default();
            // Nobody is told a guess: they are due again soon, and by then the gateway answers, or
            // its routes are gone.
            if seen.guessed {
                continue;
            }
            let told = self.table().seen(user_id, seen.status, seen.boots, Instant::now());
            if let Some(status) = told
                && let Err(status) = self.tell(user_id, status).await
            {
                self.table().untold(user_id, Instant::now());
                // The others would wait in turn; they are due again soon.
                return self.fail(&status);
            }
        }
        let known = self.table().len();
        self.known.set(u32::try_from(known).unwrap_or(u32::MAX));
    }

    async fn tell(&self, user_id: i64, status: UserStatus) -> Result<(), Status> {
        let cx = Context::with_timeout(self.timeout);
        let recipients = self.friends(&cx, user_id).await?.who_see();
        if !recipients.is_empty() {
            let status = StatusEvent { user_id, status: status.into() };
            let event = Some(Event { content: Some(Content::Status(status)) });
            let request = DispatchEventsReq { events: vec![EventDelivery { event, recipients }] };
            self.dispatch.dispatch_events(&cx, request).await?;
            self.told.increment(1);
        }
        Ok(())
    }

    async fn friends(&self, cx: &Context, user_id: i64) -> Result<Friends, Status> {
        let cx = cx.capped(self.timeout);
        let request = GetFriendsReq { user_id, blocked: true };
        let answer = self.users.get_friends(&cx, request).await?;
        Ok(Friends { all: answer.friend_ids, blocked: answer.blocked_ids })
    }

    fn fail(&self, status: &Status) {
        self.failed.increment(1);
        tracing::debug!(%status, "friends are not told of a status");
    }

    fn note(&self, change: impl FnOnce(&mut Table, Instant) -> bool) {
        if change(&mut self.table(), Instant::now()) {
            self.sooner.notify_one();
        } else {
            self.unknown.increment(1);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while it is held leaves at worst a user whom nobody looks at.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
