//! What friends were told of each user, and when to look whether it is still so. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use mpim_proto::UserStatus;
use tokio::time::Instant;

/// The times of [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusTimes {
    /// From a change to the look at it.
    pub(crate) debounce: Duration,
    /// A user without a session counts as what they were for this long.
    pub(crate) offline_after: Duration,
    /// From one look to the next although nothing was heard of.
    pub(crate) recheck: Duration,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    users: HashMap<i64, Known>,
    due: BTreeSet<(Instant, i64)>,
    /// The boots of gateways that were there.
    gateways: HashSet<String>,
    times: StatusTimes,
    max: usize,
}

#[derive(Debug)]
struct Known {
    /// `None`: unknown, so the next look tells.
    told: Option<UserStatus>,
    due: Instant,
    offline_since: Option<Instant>,
    /// The boots of gateways at which they were seen last.
    boots: HashSet<String>,
}

impl Table {
    /// For at most `max` users; nobody is told of changes of others.
    pub(super) fn new(times: StatusTimes, max: usize) -> Self {
        Self { users: HashMap::new(), due: BTreeSet::new(), gateways: HashSet::new(), times, max }
    }

    /// A session of a user began. One that nothing is known of was offline, as far as is known.
    pub(super) fn began(&mut self, user_id: i64, boot_id: &str, now: Instant) -> bool {
        self.change(user_id, Some(UserStatus::Offline), now, |known| {
            known.offline_since = None;
            known.boots.insert(boot_id.to_owned());
        })
    }

    /// The route of a session that had begun before was lost and is bound again: nothing has changed.
    pub(super) fn bound_again(&mut self, user_id: i64, boot_id: &str, now: Instant) -> bool {
        let Some(known) = self.users.get_mut(&user_id) else {
            let noted = self.change(user_id, Some(UserStatus::Online), now, |known| {
                known.boots.insert(boot_id.to_owned());
            });
            self.look_at(user_id, now + self.times.recheck);
            return noted;
        };
        known.offline_since = None;
        known.boots.insert(boot_id.to_owned());
        true
    }

    /// A session of a user ended; so they were there.
    pub(super) fn ended(&mut self, user_id: i64, now: Instant) -> bool {
        self.change(user_id, Some(UserStatus::Online), now, |_| ())
    }

    /// A user says something else of themselves.
    pub(super) fn changed(&mut self, user_id: i64, now: Instant) -> bool {
        self.change(user_id, None, now, |_| ())
    }

    /// These are the gateways that there are: users who were at others are looked at.
    pub(super) fn gateways(&mut self, boots: &HashSet<&str>, now: Instant) {
        let all_there = self.gateways.iter().all(|boot| boots.contains(boot.as_str()));
        self.gateways = boots.iter().map(|boot| (*boot).to_owned()).collect();
        if all_there {
            return;
        }
        let gone = |known: &Known| known.boots.iter().any(|boot| !boots.contains(boot.as_str()));
        let moved = self.users.iter_mut().filter(|(_, known)| gone(known));
        let moved: Vec<i64> = moved
            .map(|(user_id, known)| {
                known.boots.retain(|boot| boots.contains(boot.as_str()));
                *user_id
            })
            .collect();
        moved.into_iter().for_each(|user_id| self.look_at(user_id, now));
    }

    /// When the next look is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Up to `max` users whose look is due. Each is answered with [`seen`](Self::seen), or is due
    /// again after the debounce.
    pub(super) fn take_due(&mut self, now: Instant, max: usize) -> Vec<i64> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now).take(max);
        let due: Vec<i64> = due.map(|(_, user_id)| *user_id).collect();
        for user_id in &due {
            self.look_at(*user_id, now + self.times.debounce);
        }
        due
    }

    /// A look has found this, at these boots of gateways. Answers with what friends are to be told.
    pub(super) fn seen(
        &mut self,
        user_id: i64,
        status: UserStatus,
        boots: HashSet<String>,
        now: Instant,
    ) -> Option<UserStatus> {
        let known = self.users.get_mut(&user_id)?;
        known.boots = boots;
        if status != UserStatus::Offline {
            known.offline_since = None;
            let told = known.told.replace(status);
            self.look_at(user_id, now + self.times.recheck);
            return (told != Some(status)).then_some(status);
        }
        let since = *known.offline_since.get_or_insert(now);
        if known.told != Some(UserStatus::Offline) && now < since + self.times.offline_after {
            self.look_at(user_id, since + self.times.offline_after);
            return None;
        }
        let known = self.users.remove(&user_id)?;
        self.due.remove(&(known.due, user_id));
        (known.told != Some(UserStatus::Offline)).then_some(UserStatus::Offline)
    }

    /// Friends could not be told what was [seen](Self::seen): it is tried again.
    pub(super) fn untold(&mut self, user_id: i64, now: Instant) {
        if let Some(known) = self.users.get_mut(&user_id) {
            known.told = None;
        }
        self.look_at(user_id, now + self.times.debounce);
    }

    /// What friends were told of a user last, if that still counts.
    pub(super) fn told(&self, user_id: i64) -> Option<UserStatus> {
        self.users.get(&user_id)?.told
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Answers whether there was room.
    fn change(
        &mut self,
        user_id: i64,
        told: Option<UserStatus>,
        now: Instant,
        change: impl FnOnce(&mut Known),
    ) -> bool {
        let at = now + self.times.debounce;
        let room = self.users.len() < self.max || self.users.contains_key(&user_id);
        if room {
            let known = self.users.entry(user_id).or_insert_with(|| {
                self.due.insert((at, user_id));
                Known { told, due: at, offline_since: None, boots: HashSet::new() }
            });
            change(known);
            let at = known.due.min(at);
            self.look_at(user_id, at);
        }
        room
    }

    fn look_at(&mut self, user_id: i64, at: Instant) {
        if let Some(known) = self.users.get_mut(&user_id) {
            self.due.remove(&(known.due, user_id));
            known.due = at;
            self.due.insert((at, user_id));
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
