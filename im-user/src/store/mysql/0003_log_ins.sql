-- Each statement can be run again: what is made here is not made in one transaction.

-- What an account is beside its name and password; no row: an epoch of 1, and nothing special.
CREATE TABLE IF NOT EXISTS account_auth (
    user_id        BIGINT NOT NULL PRIMARY KEY,
    -- Grows each time that all log-ins of the user end. What was given out before is good for nothing.
    epoch          BIGINT NOT NULL,
    -- The log-in that did not end the last time; its open sessions know of the epoch before.
    kept_log_in_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- As in user.proto.
    role           INT NOT NULL,
    -- 1: nobody logs in.
    disabled       TINYINT NOT NULL
) ENGINE = InnoDB;

-- Those that refresh. The others are written in their tokens alone.
CREATE TABLE IF NOT EXISTS log_in (
    log_in_id       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id         BIGINT NOT NULL,
    device          VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation      BIGINT NOT NULL,
    epoch           BIGINT NOT NULL,
    -- SHA-256 of the secret in the last token that refreshes it.
    refresh_hash    VARBINARY(32) NOT NULL,
    refreshed_at_ms BIGINT NOT NULL,
    expires_at_ms   BIGINT NOT NULL,
    KEY log_in_of_user (user_id, device),
    KEY log_in_expiry (expires_at_ms)
) ENGINE = InnoDB;

-- Those that ended while others still have to be told. `log_in_id` empty: all up to that epoch, but for
-- one.
CREATE TABLE IF NOT EXISTS ended_log_in (
    user_id          BIGINT NOT NULL,
    log_in_id        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    epoch            BIGINT NOT NULL,
    except_log_in_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason           VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    due_at_ms        BIGINT NOT NULL,
    PRIMARY KEY (user_id, log_in_id, epoch),
    KEY ended_log_in_due (due_at_ms)
) ENGINE = InnoDB;
