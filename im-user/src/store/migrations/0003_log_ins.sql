-- Log-ins, and those that ended while others still have to be told.

-- What an account is beside its name and password; no row: an epoch of 1, and nothing special.
CREATE TABLE account_auth (
    user_id        INTEGER PRIMARY KEY REFERENCES account (id),
    -- Grows each time that all log-ins of the user end. What was given out before is good for nothing.
    epoch          INTEGER NOT NULL,
    -- The log-in that did not end the last time; its open sessions know of the epoch before.
    kept_log_in_id TEXT    NOT NULL,
    -- As in user.proto.
    role           INTEGER NOT NULL,
    -- 1: nobody logs in.
    disabled       INTEGER NOT NULL
) STRICT;

-- Those that refresh. The others are written in their tokens alone.
CREATE TABLE log_in (
    log_in_id       TEXT    PRIMARY KEY,
    user_id         INTEGER NOT NULL REFERENCES account (id),
    device          TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    -- SHA-256 of the secret in the last token that refreshes it.
    refresh_hash    BLOB    NOT NULL,
    refreshed_at_ms INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX log_in_of_user ON log_in (user_id, device);
CREATE INDEX log_in_expiry ON log_in (expires_at_ms);

-- `log_in_id` empty: all up to that epoch, but for one.
CREATE TABLE ended_log_in (
    user_id          INTEGER NOT NULL,
    log_in_id        TEXT    NOT NULL,
    epoch            INTEGER NOT NULL,
    except_log_in_id TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    due_at_ms        INTEGER NOT NULL,
    PRIMARY KEY (user_id, log_in_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_log_in_due ON ended_log_in (due_at_ms);
