//! Looks at an instance's connections from time to time, and does what [`Sizing`] decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::Shared;
use super::list::calls_on;
use super::sizing::{Action, Bounds, Seen, Sizing};

/// The time between looks while calls overlap, and while they do not.
const LOOK_BUSY: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_secs(1);

/// Looks for ever.
pub(super) async fn run(shared: Arc<Shared>, bounds: Bounds) {
    let mut sizing = Sizing::new(bounds);
    loop {
        let seen = shared.seen().await;
        let action = sizing.look(Instant::now(), seen);
        match action {
            Action::Keep => {}
            Action::Connect => shared.begin_attempt(seen.open + 1),
            Action::CloseOne => shared.list.close_one(),
            // Where a call has come since, its connection stays.
            Action::CloseAll => shared.list.close_unused(),
        }
        let now = Instant::now();
        let next = match (seen.open, action) {
            // When an attempt ends, or somebody calls who makes one.
            (0, Action::Keep) => None,
            (_, Action::CloseAll) if shared.list.is_empty() => None,
            // When the next attempt is due. If somebody else has just looked whether it is, the
            // attempt may not have begun: then by and by.
            (0, _) => {
                let until = shared.failure.load().as_ref().map(|failure| failure.until);
                let later = now + LOOK;
                Some(until.filter(|until| *until > now).map_or(later, |until| until.min(later)))
            }
            _ if seen.in_flight > 1 => Some(now + LOOK_BUSY),
            _ => Some(now + LOOK.min(bounds.idle_timeout)),
        };
        tokio::select! {
            () = shared.changed.notified() => {}
            () = at(next) => {}
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Shared {
    async fn seen(&self) -> Seen {
        self.list.forget_ended();
        let list = self.list.all();
        let open: Vec<_> = list.iter().filter(|connection| connection.is_open()).collect();
        let mut seen = Seen {
            open: open.len(),
            in_flight: open.iter().map(|connection| calls_on(connection)).sum(),
            used: self.used.swap(false, Ordering::Relaxed),
            ..Seen::default()
        };
        // A lone call stands in nobody's way.
        if seen.in_flight > 1 && !open.is_empty() {
            seen.full = open.iter().all(|one| calls_on(one) > one.calls_max() / 2);
            let pings = open.iter().map(|connection| async {
                let answered = timeout(LOOK_BUSY, connection.round_trip()).await;
                answered.unwrap_or(LOOK_BUSY)
            });
            // Boxed, so that who looks at an idle instance needs no room for it.
            seen.ping = Box::pin(join_all(pings)).await.into_iter().min();
        }
        seen
    }
}
