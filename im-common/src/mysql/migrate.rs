//! Schema versions: which steps a database has seen is written in a table of its own.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::config::Address;
use super::error::{Kind, OpenError, kind};
use super::open::Failure;

/// How long one try for the lock takes, in seconds. It is tried again until it is had.
const LOCK_WAIT_S: u64 = 5;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_step (
    version   INT  NOT NULL,
    statement INT  NOT NULL,
    -- What was done, so that another program's database is recognised.
    text      TEXT NOT NULL,
    PRIMARY KEY (version, statement)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Applies the migrations that this database has not seen. Of several instances that start together
/// one does it and the others wait.
///
/// DDL cannot be undone, so each statement is recorded once it is done, and a start that was cut off
/// is taken up at the statement at which it ended.
pub(super) async fn migrate(
    conn: &mut Conn,
    address: &Address,
    migrations: &[&str],
) -> Result<(), Failure> {
    // Names are the server's, not the database's, and at most 64 characters.
    let lock: String = format!("schema:{}", address.database).chars().take(64).collect();
    let locked: Option<Option<i64>> =
        conn.exec_first("SELECT GET_LOCK(?, ?)", (&lock, LOCK_WAIT_S)).await?;
    if locked.flatten() != Some(1) {
        return Err(Failure::later("another instance is changing its schema"));
    }
    let outcome = apply_missing(conn, address, migrations).await;
    // Also released when the connection ends, should this fail.
    let _ = conn.exec_drop("DO RELEASE_LOCK(?)", (&lock,)).await;
    outcome
}

async fn apply_missing(
    conn: &mut Conn,
    address: &Address,
    migrations: &[&str],
) -> Result<(), Failure> {
    let database = address.name();
    conn.query_drop(CREATE).await?;
    let seen: Vec<(usize, usize, String)> = conn
        .exec("SELECT version, statement, text FROM schema_step ORDER BY version, statement", ())
        .await?;
    let (found, known) = (seen.last().map_or(0, |(version, _, _)| *version), migrations.len());
    if found > known {
        return Err(OpenError::Newer { database, found, known }.into());
    }
    let mut seen = seen.into_iter();
    // The first that is not recorded may have been done all the same, just before the end came.
    let mut perhaps_done = true;
    for (version, script) in (1..).zip(migrations) {
        for (statement, text) in (1..).zip(statements(script)) {
            match seen.next() {
                Some(step) if step == (version, statement, text.clone()) => continue,
                Some(_) => {
                    return Err(OpenError::Foreign { database, version, statement }.into());
                }
                None => {}
            }
            match conn.query_drop(&text).await {
                Ok(()) => {}
                Err(error) if perhaps_done && says_done(&error) => {}
                Err(error) if kind(&error) == Kind::Statement => {
                    let source = error;
                    return Err(OpenError::Migrate { database, version, statement, source }.into());
                }
                Err(error) => return Err(error.into()),
            }
            perhaps_done = false;
            let record = "INSERT INTO schema_step (version, statement, text) VALUES (?, ?, ?)";
            conn.exec_drop(record, (version, statement, &text)).await?;
            tracing::debug!(database, version, statement, "applied a step of the schema");
        }
    }
    Ok(())
}

/// The statements of a script: each ends with a `;` at the end of a line.
fn statements(script: &str) -> Vec<String> {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with("--"));
    let code: Vec<&str> = lines.map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let code = code.join("\n");
    let whole = code.split(";\n").map(|text| text.trim_end_matches(';').trim().to_owned());
    whole.filter(|text| !text.is_empty()).collect()
}

/// Whether what was to be made is there: a table (1050), a column (1060), an index (1061), a row
/// (1062); or what was to be removed is gone (1091, 1051).
fn says_done(error: &Error) -> bool {
    let done = [1050, 1060, 1061, 1062, 1091, 1051];
    matches!(error, Error::Server(server) if done.contains(&server.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_its_statements_without_comments() {
        let script = "-- Why.\nCREATE TABLE a (\n    -- What; really.\n    id INT -- x;y\n);\n\nINSERT INTO a VALUES (1);\n";
        assert_eq!(
            statements(script),
            ["CREATE TABLE a (\n    id INT -- x;y\n)", "INSERT INTO a VALUES (1)"]
        );
    }
}
