-- Who shuts out whom.

-- Of a pair: 1, the user with the lower id shuts the other out; 2, the other way round. Read with the
-- row when it is locked. A pair of whom one shut the other out before either wrote has a row with
-- max_seq 0.
ALTER TABLE conversation ADD COLUMN blocks TINYINT NOT NULL DEFAULT 0;

-- The same, by who shuts out. Changes under the lock of the conversation.
CREATE TABLE block (
    uid     BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    PRIMARY KEY (uid, blocked)
) ENGINE = InnoDB;
