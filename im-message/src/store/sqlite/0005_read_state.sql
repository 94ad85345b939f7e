-- How far users have read, and what the list of their conversations is ordered by.

-- The msg_id of the newest entry.
ALTER TABLE conversation ADD COLUMN last_msg_id INTEGER NOT NULL DEFAULT 0;
UPDATE conversation SET last_msg_id = coalesce(
    (SELECT e.msg_id FROM entry e WHERE e.conv = conversation.id AND e.seq = conversation.max_seq),
    0
);

CREATE TABLE read_position (
    conv INTEGER NOT NULL REFERENCES conversation (id),
    uid  INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (conv, uid)
) STRICT, WITHOUT ROWID;

-- How far somebody's devices are in one conversation.
CREATE INDEX cursor_by_conv ON cursor (conv, uid);
