//! Whether the server has on its disk what it says is committed.
//!
//! What is acknowledged here is as durable as a commit there. A server that does otherwise is not
//! refused: where nodes hold a commit together (Galera), that may be what was meant.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::config::Address;

/// Warns if a commit that was answered may be lost with the power of the server's machine.
pub(super) async fn look(conn: &mut Conn, address: &Address) -> Result<(), Error> {
    let asked =
        "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.log_bin, @@GLOBAL.sync_binlog";
    let found = match conn.query_first::<(u64, u64, u64), _>(asked).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        // Not every server that speaks the protocol has these settings.
        Err(Error::Server(error)) => {
            tracing::debug!(%error, "the database server does not say when it flushes");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if let Some(setting) = not_durable(found) {
        let place = &address.place;
        tracing::warn!(
            place,
            setting,
            "the database server answers commits before they are on its disk: a power failure \
             there loses what was acknowledged"
        );
    }
    Ok(())
}

/// The setting with which commits are answered early, if there is one. `flush` of 3 flushes more often
/// than 1; without a binary log its setting says nothing.
fn not_durable((flush, log_bin, sync_binlog): (u64, u64, u64)) -> Option<String> {
    match (flush, log_bin, sync_binlog) {
        (0 | 2, ..) => Some(format!("innodb_flush_log_at_trx_commit={flush}")),
        // Recovery undoes what it does not find in the binary log.
        (_, 1, n) if n != 1 => Some(format!("sync_binlog={n}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_answer_a_commit_early_are_named() {
        let said = |found| not_durable(found).unwrap_or_default();
        assert_eq!([said((1, 0, 0)), said((1, 1, 1)), said((3, 0, 1))], ["", "", ""]);
        assert_eq!(said((0, 0, 1)), "innodb_flush_log_at_trx_commit=0");
        assert_eq!(said((2, 1, 1)), "innodb_flush_log_at_trx_commit=2");
        assert_eq!(said((1, 1, 0)), "sync_binlog=0");
        assert_eq!(said((1, 1, 100)), "sync_binlog=100");
    }
}
