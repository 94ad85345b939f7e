//! Looks at an instance's connections from time to time, and does what [`Sizing`] decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::sizing::{Action, Bounds, Seen, Sizing};
use super::{Shared, calls_on};

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
            Action::CloseOne => shared.close_one(),
            // Those that are given up with it have no calls.
            Action::CloseAll => shared.list.store(Arc::default()),
        }
        let next = match (seen.open, action) {
            // When an attempt ends, or somebody calls who makes one.
            (0, Action::Keep) | (_, Action::CloseAll) => None,
            (0, _) => {
                let until = shared.failure.load().as_ref().map(|failure| failure.until);
                until.filter(|until| *until > Instant::now())
            }
            _ if seen.in_flight > 1 => Some(Instant::now() + LOOK_BUSY),
            _ => Some(Instant::now() + LOOK.min(bounds.idle_timeout)),
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
        self.forget_ended();
        let list = self.list.load_full();
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
            seen.ping = join_all(pings).await.into_iter().min();
        }
        seen
    }

    /// Takes those that have ended off the list, unless no other would be left: then they tell that
    /// the instance is down.
    fn forget_ended(&self) {
        let open = self.open();
        if open > 0 && open < self.list.load().len() {
            self.list.rcu(|list| {
                let open = list.iter().filter(|connection| connection.is_open());
                open.cloned().collect::<Vec<_>>()
            });
        }
    }

    /// Takes the one with the fewest calls off the list; it closes when they have ended.
    fn close_one(&self) {
        self.list.rcu(|list| {
            let mut list = list.to_vec();
            let fewest = (0..list.len()).min_by_key(|index| calls_on(&list[*index]));
            fewest.map(|index| list.swap_remove(index));
            list
        });
    }
}
