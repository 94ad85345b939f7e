-- AUTOINCREMENT: a conversation is named after its group's id, which must never come back.
CREATE TABLE chat_group (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    description   TEXT NOT NULL,
    creator_id    INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- `joined` numbers the joins of all groups: within a group its order is that of joining, which
-- times are not when a clock jumps.
CREATE TABLE member (
    joined   INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES chat_group (id),
    user_id  INTEGER NOT NULL,
    role     INTEGER NOT NULL,
    UNIQUE (group_id, user_id)
) STRICT;

CREATE INDEX member_by_user ON member (user_id, group_id);

-- Joins and leaves that im-message has not confirmed, in their order. `change_id` is random, so
-- that im-message can tell a repetition from another change even if this file is lost.
CREATE TABLE pending_change (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id  TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    group_id   INTEGER NOT NULL REFERENCES chat_group (id),
    user_id    INTEGER NOT NULL,
    joins      INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at_ms  INTEGER NOT NULL
) STRICT;

CREATE INDEX pending_change_by_member ON pending_change (group_id, user_id, number);
CREATE INDEX pending_change_by_due ON pending_change (due_at_ms);
