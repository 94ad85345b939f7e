-- Each statement can be run again: what is made here is not made in one transaction.

-- What bots log in with instead of a password; one that was revoked or expired is gone.
CREATE TABLE IF NOT EXISTS api_key (
    -- Also the id of whatever log-in it is used for.
    key_id          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id         BIGINT NOT NULL,
    -- SHA-256 of the secret in it, which is kept nowhere.
    secret_hash     VARBINARY(32) NOT NULL,
    -- The name of the device that whoever uses it is.
    device          VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    -- 0: never.
    expires_at_ms   BIGINT NOT NULL,
    -- To within an hour; 0: it was never used.
    last_used_at_ms BIGINT NOT NULL,
    KEY api_key_of_user (user_id),
    KEY api_key_expiry (expires_at_ms)
) ENGINE = InnoDB;
