//! The faults there are.

use std::time::Duration;

use crate::Layout;

/// Something that goes wrong, and is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing: what the others are compared with.
    Quiet,
    /// `kill -9` of any process.
    Kill,
    /// The same just when im-message writes to its file.
    KillMidCommit,
    /// `kill -9` of a process, and again while it starts.
    KillTwice,
    /// `kill -9` of everything at once.
    KillAll,
    /// A process is stopped for a while by SIGSTOP, and goes on.
    Freeze,
    /// A process is stopped by SIGSTOP, and killed in that state.
    FreezeAndKill,
    /// SIGTERM and a start, of every process in turn.
    RollingRestart,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Quiet,
        Self::Kill,
        Self::KillMidCommit,
        Self::KillTwice,
        Self::KillAll,
        Self::Freeze,
        Self::FreezeAndKill,
        Self::RollingRestart,
    ];

    /// Those that can be had on a layout.
    pub fn of(layout: Layout) -> Vec<Self> {
        Self::ALL.into_iter().filter(|fault| fault.is_possible(layout)).collect()
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Kill => "kill",
            Self::KillMidCommit => "kill-mid-commit",
            Self::KillTwice => "kill-twice",
            Self::KillAll => "kill-all",
            Self::Freeze => "freeze",
            Self::FreezeAndKill => "freeze-and-kill",
            Self::RollingRestart => "rolling-restart",
        }
    }

    /// What happens, in a line.
    pub fn says(self) -> &'static str {
        match self {
            Self::Quiet => "nothing",
            Self::Kill => "kill -9 of any process",
            Self::KillMidCommit => "kill -9 of im-message while it writes",
            Self::KillTwice => "kill -9, and again while it starts",
            Self::KillAll => "kill -9 of everything at once",
            Self::Freeze => "SIGSTOP of any process for up to 3 s",
            Self::FreezeAndKill => "SIGSTOP, then kill -9",
            Self::RollingRestart => "SIGTERM and a start, one process after the other",
        }
    }

    /// The fault of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Within this time after it was mended, everybody is served again.
    pub fn recovery_max(self) -> Duration {
        Duration::from_secs(match self {
            Self::Quiet | Self::Kill | Self::KillMidCommit | Self::KillTwice => 1,
            Self::Freeze | Self::FreezeAndKill | Self::KillAll | Self::RollingRestart => 3,
        })
    }

    fn is_possible(self, layout: Layout) -> bool {
        match self {
            // Instances of a cluster write to no file.
            Self::KillMidCommit => layout != Layout::Cluster,
            _ => true,
        }
    }
}
