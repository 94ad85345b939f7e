-- `name` is shown, `name_key` is unique (see username.rs).
-- AUTOINCREMENT: an id never comes back, even if its account is deleted one day.
CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Both directions are stored, so that a user's friends are one range of the key.
CREATE TABLE friendship (
    user_id   INTEGER NOT NULL REFERENCES account (id),
    friend_id INTEGER NOT NULL REFERENCES account (id),
    since_ms  INTEGER NOT NULL,
    PRIMARY KEY (user_id, friend_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked_token (
    token_id      TEXT PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_token_expiry ON revoked_token (expires_at_ms);
