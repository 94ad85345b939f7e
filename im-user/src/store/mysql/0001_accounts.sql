-- Each statement can be run again: what is made here is not made in one transaction.

-- The last id that was given out. A counter of our own, locked by whoever takes the next one: the
-- server's automatic numbers leave gaps behind refusals, and are not in order on all clusters.
CREATE TABLE IF NOT EXISTS numbering (
    name    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    last_id BIGINT NOT NULL
) ENGINE = InnoDB;

INSERT INTO numbering (name, last_id) VALUES ('account', 0)
    ON DUPLICATE KEY UPDATE last_id = last_id;

-- `name` is shown, `name_key` is unique (see username.rs): bytes, since every collation would take
-- some names for others. `friend_changes` is counted up by whoever changes the account's friends: a
-- lock that also counts between the nodes of a cluster, where those of readers do not.
CREATE TABLE IF NOT EXISTS account (
    id             BIGINT NOT NULL PRIMARY KEY,
    name           VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name_key       VARBINARY(64) NOT NULL,
    password_hash  VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    friend_changes BIGINT NOT NULL DEFAULT 0,
    UNIQUE KEY account_name (name_key)
) ENGINE = InnoDB;

-- Both directions are stored, so that a user's friends are one range of the key. No foreign keys:
-- they would lock accounts in an order of their own.
CREATE TABLE IF NOT EXISTS friendship (
    user_id   BIGINT NOT NULL,
    friend_id BIGINT NOT NULL,
    since_ms  BIGINT NOT NULL,
    PRIMARY KEY (user_id, friend_id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS revoked_token (
    token_id      VARBINARY(64) NOT NULL PRIMARY KEY,
    expires_at_ms BIGINT NOT NULL,
    KEY revoked_token_expiry (expires_at_ms)
) ENGINE = InnoDB;
