//! How each fault is made, and mended.

mod lines;
mod many;
mod outages;
mod people;
mod processes;
mod servers;

use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::arena::Arena;
use super::chance::Chance;
use super::fault::Fault;

/// Whom a fault does not concern: they must not notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spared {
    Nobody,
    Everybody,
    /// Who is connected to another gateway than this one, from 1.
    AtOtherGateways(usize),
}

/// A fault that was mended.
pub(super) struct Struck {
    /// What it hit.
    pub(super) hit: String,
    /// From when on everything that was needed was there, or was being started.
    pub(super) healed: Instant,
    pub(super) spared: Spared,
    /// What did not hold for people who are only there for this fault.
    pub(super) found: Vec<String>,
    /// From when it was mended until those, and the servers, had what they had before.
    pub(super) served: Duration,
    /// How long others waited for answers is told of two times: from the first moment to the second, in
    /// quiet, and from there to the third.
    pub(super) compared: Option<[Instant; 3]>,
}

impl Struck {
    /// Healed now, with nobody spared.
    fn now(hit: impl Into<String>) -> Self {
        Self {
            hit: hit.into(),
            healed: Instant::now(),
            spared: Spared::Nobody,
            found: Vec::new(),
            served: Duration::ZERO,
            compared: None,
        }
    }

    fn spares(mut self, spared: Spared) -> Self {
        self.spared = spared;
        self
    }
}

/// What a fault needs to know of its round.
pub(super) struct Scene<'a> {
    pub(super) arena: &'a mut Arena,
    pub(super) chance: &'a mut Chance,
    /// Makes names that no other round has.
    pub(super) round: u64,
    pub(super) options: &'a Options,
}

impl Fault {
    /// Does it and mends it.
    pub(super) async fn strike(self, scene: &mut Scene<'_>) -> Struck {
        match self {
            Self::Quiet => processes::quiet(scene).await,
            Self::Kill => processes::kill(scene).await,
            Self::KillMidCommit => processes::kill_mid_commit(scene).await,
            Self::KillTwice => processes::kill_twice(scene).await,
            Self::KillAll => processes::kill_all(scene).await,
            Self::Freeze => processes::freeze(scene).await,
            Self::FreezeLong => processes::freeze_long(scene).await,
            Self::FreezeMinute => processes::freeze_minute(scene).await,
            Self::FreezeAndKill => processes::freeze_and_kill(scene).await,
            Self::RollingRestart => processes::rolling_restart(scene).await,
            Self::Storm => many::storm(scene).await,
            Self::StormThousands => many::storm_of_thousands(scene).await,
            Self::DiskFull => processes::disk_full(scene).await,
            Self::OutOfMemory => processes::out_of_memory(scene).await,
            Self::ClockWrong => processes::clock_wrong(scene).await,
            Self::CutClients => lines::cut_clients(scene).await,
            Self::ResetClients => lines::reset_clients(scene).await,
            Self::CutService => lines::cut_service(scene).await,
            Self::SilentReader => people::silent_reader(scene).await,
            Self::SlowReader => people::slow_reader(scene).await,
            Self::SilentCrowd => many::silent_crowd(scene).await,
            Self::Duplicates => people::duplicates(scene).await,
            Self::Backlog => people::backlog(scene).await,
            Self::CommitLost => servers::commit_lost(scene).await,
            Self::MariaDbKilled => servers::mariadb_killed(scene).await,
            Self::MariaDbSlow => servers::mariadb_slow(scene).await,
            Self::MariaDbCut => servers::mariadb_cut(scene).await,
            Self::RedisWiped => servers::redis_wiped(scene).await,
            Self::RedisFrozen => servers::redis_frozen(scene).await,
            Self::RedisFailover => outages::redis_failover(scene).await,
            Self::ZooKeeperDown => servers::zookeeper_down(scene).await,
            Self::ZooKeeperAway => outages::zookeeper_away(scene).await,
            Self::SessionExpired => servers::session_expired(scene).await,
        }
    }
}
