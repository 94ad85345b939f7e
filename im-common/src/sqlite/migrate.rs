//! Schema versions: `PRAGMA user_version` counts the migrations that a file has seen.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::DatabaseError;

/// Applies the migrations that this file has not seen, each in a transaction of its own together
/// with its number: a crash in between leaves a whole version, never half of one.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), DatabaseError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| DatabaseError::Open { path: path.to_owned(), source })?;
    let known = migrations.len();
    let seen = match usize::try_from(found) {
        Ok(seen) if seen <= known => seen,
        _ => {
            return Err(DatabaseError::Newer { path: path.to_owned(), found, known });
        }
    };
    for (index, script) in migrations.iter().enumerate().skip(seen) {
        let version = index + 1;
        apply(connection, script, version).map_err(|source| DatabaseError::Migrate {
            path: path.to_owned(),
            version,
            source,
        })?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, script: &str, version: usize) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(script)?;
    tx.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
    tx.commit()
}
