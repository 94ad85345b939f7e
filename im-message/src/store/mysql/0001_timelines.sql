-- Timelines, who sees which part of them, and how far each device has come.
--
-- A conversation has a short id (`id`, elsewhere `conv`), taken from the msg_ids, so that ids of
-- conversations rise in the order in which they began, and no counter of its own is contended for.
-- There are no foreign keys: checking one locks the parent, and only one statement may do that.

CREATE TABLE conversation (
    conv_id     VARCHAR(48) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    id          BIGINT NOT NULL,
    -- The seq and the msg_id of the newest entry.
    max_seq     BIGINT NOT NULL,
    last_msg_id BIGINT NOT NULL,
    -- The one index that the locking statement touches: two would be two orders of locks.
    PRIMARY KEY (conv_id),
    UNIQUE KEY conversation_by_id (id)
) ENGINE = InnoDB;

-- Clustered by conversation, because that is how entries are read.
CREATE TABLE entry (
    conv      BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    msg_id    BIGINT NOT NULL,
    author    BIGINT NOT NULL,
    dedup_key VARBINARY(255) NOT NULL,
    -- 0 text, 1 joined, 2 left.
    kind      TINYINT NOT NULL,
    ts_ms     BIGINT NOT NULL,
    text      TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (conv, seq),
    -- An assertion, not the mechanism: the writer looks before it inserts.
    UNIQUE KEY entry_by_key (conv, author, dedup_key),
    KEY entry_by_msg_id (msg_id)
) ENGINE = InnoDB;

CREATE TABLE span (
    uid      BIGINT NOT NULL,
    conv     BIGINT NOT NULL,
    from_seq BIGINT NOT NULL,
    -- NULL: still a member.
    to_seq   BIGINT NULL,
    PRIMARY KEY (uid, conv, from_seq),
    KEY span_by_conv (conv, to_seq, uid)
) ENGINE = InnoDB;

CREATE TABLE device_cursor (
    uid       BIGINT NOT NULL,
    device    VARBINARY(255) NOT NULL,
    conv      BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    -- Handed to the device on the classic route, where nobody acknowledges. Counts when above seq.
    given_seq BIGINT NOT NULL,
    PRIMARY KEY (uid, device, conv)
) ENGINE = InnoDB;

-- One row: the first msg_id that no instance was given.
CREATE TABLE msg_id_block (
    only_row TINYINT NOT NULL,
    next     BIGINT NOT NULL,
    PRIMARY KEY (only_row)
) ENGINE = InnoDB;
INSERT INTO msg_id_block (only_row, next) VALUES (1, 1);

-- What was committed and perhaps not told to others: a row for each batch, until it was. Its id is
-- the first msg_id of the batch.
CREATE TABLE outbox (
    id          BIGINT NOT NULL,
    -- Until then the instance that wrote or claimed it sees to it. By this server's clock, in UTC.
    lease_until DATETIME(3) NOT NULL,
    -- Who claimed it; 0: who wrote it.
    holder      BIGINT NOT NULL,
    -- A line for each conversation: its name, the first seq, the last seq.
    entries     MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (id),
    KEY outbox_by_lease (lease_until)
) ENGINE = InnoDB;
