-- Where devices begin.

CREATE TABLE device (
    uid        INTEGER NOT NULL,
    device     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    -- 1: its user does not have it any more.
    forgotten  INTEGER NOT NULL,
    PRIMARY KEY (uid, device)
) STRICT, WITHOUT ROWID;

-- Where the device was put when it began, without having got anything: only beyond it the cursor says
-- what was delivered.
ALTER TABLE cursor ADD COLUMN opened_seq INTEGER NOT NULL DEFAULT 0;
