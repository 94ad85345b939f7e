-- Entries that others were not told of, for an operator to see: dispatches that were given up on.
CREATE TABLE dead_letter (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    conv_id   TEXT    NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    tries     INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    UNIQUE (conv_id, first_seq)
) STRICT;
