-- What bots log in with instead of a password; one that was revoked or expired is gone.
CREATE TABLE api_key (
    -- Also the id of whatever log-in it is used for.
    key_id          TEXT    PRIMARY KEY,
    user_id         INTEGER NOT NULL REFERENCES account (id),
    -- SHA-256 of the secret in it, which is kept nowhere.
    secret_hash     BLOB    NOT NULL,
    -- The name of the device that whoever uses it is.
    device          TEXT    NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    -- 0: never.
    expires_at_ms   INTEGER NOT NULL,
    -- To within an hour; 0: it was never used.
    last_used_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_of_user ON api_key (user_id);
CREATE INDEX api_key_expiry ON api_key (expires_at_ms);
