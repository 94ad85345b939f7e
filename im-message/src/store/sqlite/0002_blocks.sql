-- Who shuts out whom.

-- Of a pair: 1, the user with the lower id shuts the other out; 2, the other way round. Read with the
-- row when something is written. A pair of whom one shut the other out before either wrote has a row
-- with max_seq 0.
ALTER TABLE conversation ADD COLUMN blocks INTEGER NOT NULL DEFAULT 0;

-- The same, by who shuts out.
CREATE TABLE block (
    uid     INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    PRIMARY KEY (uid, blocked)
) STRICT, WITHOUT ROWID;
