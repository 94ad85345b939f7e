//! The faults there are.

use std::time::Duration;

use crate::Layout;

/// Something that goes wrong, and is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "what each is stands in `says`")]
pub enum Fault {
    Quiet,
    Kill,
    KillMidCommit,
    KillTwice,
    KillAll,
    Freeze,
    FreezeLong,
    FreezeMinute,
    FreezeAndKill,
    RollingRestart,
    Storm,
    StormThousands,
    DiskFull,
    OutOfMemory,
    ClockWrong,
    CutClients,
    ResetClients,
    CutService,
    SilentReader,
    SlowReader,
    SilentCrowd,
    Duplicates,
    Backlog,
    CommitLost,
    MariaDbKilled,
    MariaDbSlow,
    MariaDbCut,
    RedisWiped,
    RedisFrozen,
    RedisFailover,
    ZooKeeperDown,
    ZooKeeperAway,
    SessionExpired,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 33] = [
        Self::Quiet,
        Self::Kill,
        Self::KillMidCommit,
        Self::KillTwice,
        Self::KillAll,
        Self::Freeze,
        Self::FreezeLong,
        Self::FreezeMinute,
        Self::FreezeAndKill,
        Self::RollingRestart,
        Self::Storm,
        Self::StormThousands,
        Self::DiskFull,
        Self::OutOfMemory,
        Self::ClockWrong,
        Self::CutClients,
        Self::ResetClients,
        Self::CutService,
        Self::SilentReader,
        Self::SlowReader,
        Self::SilentCrowd,
        Self::Duplicates,
        Self::Backlog,
        Self::CommitLost,
        Self::MariaDbKilled,
        Self::MariaDbSlow,
        Self::MariaDbCut,
        Self::RedisWiped,
        Self::RedisFrozen,
        Self::RedisFailover,
        Self::ZooKeeperDown,
        Self::ZooKeeperAway,
        Self::SessionExpired,
    ];

    /// Those that can be had on a layout.
    pub fn of(layout: Layout) -> Vec<Self> {
        Self::ALL.into_iter().filter(|fault| fault.is_possible(layout)).collect()
    }

    /// Whether rounds have it for which no faults are named. Others take long, or a stack of their own.
    pub fn is_usual(self) -> bool {
        !matches!(
            self,
            Self::FreezeMinute | Self::StormThousands | Self::RedisFailover | Self::ZooKeeperAway
        )
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        self.about().0
    }

    /// What happens, in a line.
    pub fn says(self) -> &'static str {
        self.about().1
    }

    /// The fault of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Within this time after it was mended, everybody is served again.
    pub fn recovery_max(self) -> Duration {
        Duration::from_secs(self.about().2)
    }

    /// Whether people must acknowledge for themselves: what a system has taken for its client is lost
    /// with a connection that is reset, and nobody can know.
    pub(super) fn needs_acknowledgements(self) -> bool {
        self == Self::ResetClients
    }

    /// Whether people talk slowly: where the times of answers are told, the machine must not be full of
    /// talk, and where it lasts long, there is much to read back.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Self::StormThousands | Self::ZooKeeperAway)
    }

    /// Its name, what happens, and the seconds within which everybody is served again.
    fn about(self) -> (&'static str, &'static str, u64) {
        match self {
            Self::Quiet => ("quiet", "nothing", 1),
            Self::Kill => ("kill", "kill -9 of any process", 1),
            Self::KillMidCommit => ("kill-mid-commit", "kill -9 of im-message while it writes", 1),
            Self::KillTwice => {
                ("kill-twice", "kill -9 of any process, and again while it starts", 1)
            }
            Self::KillAll => ("kill-all", "kill -9 of everything at once", 3),
            Self::Freeze => ("freeze", "SIGSTOP of any process for up to 3 s", 3),
            Self::FreezeLong => {
                ("freeze-long", "SIGSTOP of any process for longer than anything waits for it", 3)
            }
            Self::FreezeMinute => {
                ("freeze-minute", "SIGSTOP of any process for a minute (only if it is named)", 3)
            }
            Self::FreezeAndKill => ("freeze-and-kill", "SIGSTOP of any process, then kill -9", 3),
            Self::RollingRestart => {
                ("rolling-restart", "SIGTERM and a start, one process after the other", 3)
            }
            Self::Storm => {
                ("storm", "a gateway with 200 more clients is killed, all come back", 30)
            }
            Self::StormThousands => (
                "storm-thousands",
                "the same with --storm clients that come back with jitter (only if it is named)",
                30,
            ),
            Self::DiskFull => ("disk-full", "im-message cannot write to any file", 3),
            Self::OutOfMemory => (
                "out-of-memory",
                "any process gets no more memory; if it ends, it is started again",
                3,
            ),
            Self::ClockWrong => {
                ("clock-wrong", "the clock of any process is an hour fast or slow, then right", 3)
            }
            Self::CutClients => (
                "cut-clients",
                "ways of clients to a gateway end, are shut one way or both, or late",
                3,
            ),
            Self::ResetClients => {
                ("reset-clients", "clients that acknowledge for themselves are reset", 3)
            }
            Self::CutService => {
                ("cut-service", "a service is cut off from the others, one way or both, or late", 3)
            }
            Self::SilentReader => {
                ("silent-reader", "somebody does not read what is sent to them", 1)
            }
            Self::SlowReader => {
                ("slow-reader", "somebody reads slowly, and is shown everything all the same", 1)
            }
            Self::SilentCrowd => {
                ("silent-crowd", "the members of a group do not read, and cost bounded memory", 1)
            }
            Self::Duplicates => (
                "duplicates",
                "the same id 16 times at once to each im-message, through each of several gateways, and \
                 after a kill",
                1,
            ),
            Self::Backlog => ("backlog", "somebody comes back to 10,000 messages", 1),
            Self::CommitLost => {
                ("commit-lost", "a COMMIT or its answer is lost, and im-message killed or not", 3)
            }
            Self::MariaDbKilled => ("mariadb-killed", "kill -9 of MariaDB", 3),
            Self::MariaDbSlow => ("mariadb-slow", "each way to MariaDB is 100 to 500 ms late", 3),
            Self::MariaDbCut => ("mariadb-cut", "ways to MariaDB are torn or shut", 3),
            Self::RedisWiped => ("redis-wiped", "Redis is killed and forgets everything", 3),
            Self::RedisFrozen => ("redis-frozen", "SIGSTOP of Redis", 3),
            Self::RedisFailover => (
                "redis-failover",
                "the Redis that sentinels watch is killed, a replica follows (only if it is named)",
                3,
            ),
            Self::ZooKeeperDown => ("zookeeper-down", "kill -9 of ZooKeeper", 2),
            Self::ZooKeeperAway => (
                "zookeeper-away",
                "ZooKeeper is away for --away s, and an instance starts (only if it is named)",
                2,
            ),
            Self::SessionExpired => (
                "session-expired",
                "an instance is cut off from ZooKeeper until its session ends",
                2,
            ),
        }
    }

    fn is_possible(self, layout: Layout) -> bool {
        match self {
            // Instances of a cluster write to no file.
            Self::KillMidCommit | Self::DiskFull => layout != Layout::Cluster,
            Self::CutService => layout != Layout::Embedded,
            Self::CommitLost
            | Self::MariaDbKilled
            | Self::MariaDbSlow
            | Self::MariaDbCut
            | Self::RedisWiped
            | Self::RedisFrozen
            | Self::RedisFailover
            | Self::ZooKeeperDown
            | Self::ZooKeeperAway
            | Self::SessionExpired => layout == Layout::Cluster,
            _ => true,
        }
    }
}
