//! What one address and one user may do in a second, whatever protocol they speak.

use std::net::IpAddr;
use std::time::Duration;

use im_wire::Command;

use crate::config::{LimitsConfig, SessionConfig};
use crate::metrics::METRICS;
use crate::rate::Allowance;
use crate::rates::Rates;

/// See the module. One table has all of it.
#[derive(Debug)]
pub(crate) struct Limits {
    table: Rates,
    connections: Allowance,
    reads: Allowance,
    changes: Allowance,
    messages: Allowance,
    signals: Allowance,
}

/// What an allowance is of.
#[derive(Hash)]
enum Of<'a> {
    Connections(IpAddr),
    /// An operation, by its name, of a user.
    Operation(&'a str, i64),
}

impl Limits {
    pub(crate) fn new(limits: &LimitsConfig, session: &SessionConfig) -> Self {
        Self {
            table: Rates::new(),
            connections: Allowance::per_second(limits.address_connections_per_s),
            reads: Allowance::per_second(limits.user_reads_per_s),
            changes: Allowance::per_second(limits.user_changes_per_s),
            messages: Allowance::per_second(session.messages_per_s),
            signals: Allowance::per_second(session.signals_per_s),
        }
    }

    /// Takes a new connection from what a network may make.
    ///
    /// # Errors
    /// It may make none now.
    pub(crate) fn connects(&self, network: IpAddr) -> Result<(), Duration> {
        let taken = self.table.take(Of::Connections(network), self.connections, 1);
        taken.inspect_err(|_| METRICS.limited_address.increment(1))
    }

    /// Takes `command` from what its user may ask for.
    ///
    /// # Errors
    /// There is none left; after this time there is one again.
    pub(crate) fn asks(&self, user_id: i64, command: &Command) -> Result<(), Duration> {
        let (allowance, times) = match command {
            Command::AddFriend { .. }
            | Command::RemoveFriend { .. }
            | Command::Block { .. }
            | Command::Unblock { .. }
            | Command::CreateGroup { .. }
            | Command::JoinGroup { .. }
            | Command::LeaveGroup { .. }
            | Command::Revoke { .. } => (self.changes, 1),
            // Each is a question of its own to im-presence.
            Command::PresenceOf { user_ids } => (self.reads, user_ids.len()),
            _ => (self.reads, 1),
        };
        self.take(Of::Operation(command.name(), user_id), allowance, times)
    }

    /// Takes a message of somebody without a session; those of a session count there.
    ///
    /// # Errors
    /// There is none left; after this time there is one again.
    pub(crate) fn sends(&self, user_id: i64) -> Result<(), Duration> {
        self.take(Of::Operation("SEND", user_id), self.messages, 1)
    }

    /// The same for what is told and not kept.
    ///
    /// # Errors
    /// There is none left; after this time there is one again.
    pub(crate) fn signals(&self, user_id: i64) -> Result<(), Duration> {
        self.take(Of::Operation("TYPING", user_id), self.signals, 1)
    }

    fn take(&self, of: Of<'_>, allowance: Allowance, times: usize) -> Result<(), Duration> {
        let taken = self.table.take(of, allowance, times);
        taken.inspect_err(|_| METRICS.limited_user.increment(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let limits = LimitsConfig {
            user_reads_per_s: 200,
            user_changes_per_s: 2,
            ..LimitsConfig::default()
        };
        Limits::new(&limits, &SessionConfig::default())
    }

    #[tokio::test(start_paused = true)]
    async fn each_operation_of_each_user_has_its_own_allowance() {
        let limits = limits();
        let friend = Command::AddFriend { friend_id: 9 };
        let block = Command::Block { uid: 9 };
        assert_eq!((0..9).filter(|_| limits.asks(1, &friend).is_ok()).count(), 2);
        assert_eq!(limits.asks(1, &friend), Err(Duration::from_millis(500)));
        assert_eq!(limits.asks(1, &block), Ok(()));
        assert_eq!(limits.asks(2, &friend), Ok(()));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(limits.asks(1, &friend), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_for_many_at_once_has_asked_that_often() {
        let limits = limits();
        let many = Command::PresenceOf { user_ids: vec![9; 100] };
        assert_eq!((0..9).filter(|_| limits.asks(1, &many).is_ok()).count(), 2);
        assert!(limits.asks(1, &Command::GetFriends).is_ok());
    }
}
