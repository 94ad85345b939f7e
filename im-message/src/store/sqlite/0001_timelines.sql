-- Timelines, who sees which part of them, and how far each device has come.
-- Conversations have a short integer id inside this file (`conv`): it is in every index.

CREATE TABLE conversation (
    id      INTEGER PRIMARY KEY,
    conv_id TEXT    NOT NULL UNIQUE,
    -- The seq of the newest entry.
    max_seq INTEGER NOT NULL
) STRICT;

-- A row id table on purpose: msg_ids only grow, so rows are added at the end of one b-tree,
-- and long texts are in its leaves alone.
CREATE TABLE entry (
    msg_id     INTEGER PRIMARY KEY,
    conv       INTEGER NOT NULL REFERENCES conversation (id),
    seq        INTEGER NOT NULL,
    author     INTEGER NOT NULL,
    dedup_key  BLOB    NOT NULL,
    -- 0 text, 1 joined, 2 left.
    kind       INTEGER NOT NULL,
    ts_ms      INTEGER NOT NULL,
    text       TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_by_seq ON entry (conv, seq);
-- An assertion, not the mechanism: the writer looks before it inserts.
CREATE UNIQUE INDEX entry_by_key ON entry (conv, author, dedup_key);

CREATE TABLE span (
    uid      INTEGER NOT NULL,
    conv     INTEGER NOT NULL REFERENCES conversation (id),
    from_seq INTEGER NOT NULL,
    -- NULL: still a member.
    to_seq   INTEGER,
    PRIMARY KEY (uid, conv, from_seq)
) STRICT, WITHOUT ROWID;
-- The members of a conversation; nobody is one twice.
CREATE UNIQUE INDEX span_open ON span (conv, uid) WHERE to_seq IS NULL;

CREATE TABLE cursor (
    uid       INTEGER NOT NULL,
    device    TEXT    NOT NULL,
    conv      INTEGER NOT NULL REFERENCES conversation (id),
    seq       INTEGER NOT NULL,
    -- Handed to the device on the classic route, where nobody acknowledges. Counts when above seq.
    given_seq INTEGER NOT NULL,
    PRIMARY KEY (uid, device, conv)
) STRICT, WITHOUT ROWID;

-- One row: the first msg_id that was never used.
CREATE TABLE msg_id_block (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    next     INTEGER NOT NULL
) STRICT;
INSERT INTO msg_id_block (only_row, next) VALUES (1, 1);
