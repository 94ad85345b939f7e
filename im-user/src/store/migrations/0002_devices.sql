-- The devices of users, and those that were revoked while others still have to be told.

-- By user: the generation of the device that they began to use last.
CREATE TABLE device_numbering (
    user_id         INTEGER PRIMARY KEY REFERENCES account (id),
    last_generation INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    user_id       INTEGER NOT NULL REFERENCES account (id),
    name          TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    -- 1: im-message knows where it begins.
    opened        INTEGER NOT NULL,
    since_ms      INTEGER NOT NULL,
    last_login_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked_device (
    user_id    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    due_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (user_id, generation)
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_device_due ON revoked_device (due_at_ms);
