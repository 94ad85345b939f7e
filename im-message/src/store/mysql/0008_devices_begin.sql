-- Where devices begin.

CREATE TABLE device (
    uid        BIGINT NOT NULL,
    device     VARBINARY(255) NOT NULL,
    generation BIGINT NOT NULL,
    -- 1: its user does not have it any more.
    forgotten  TINYINT NOT NULL,
    PRIMARY KEY (uid, device)
) ENGINE = InnoDB;

-- Where the device was put when it began, without having got anything: only beyond it the cursor says
-- what was delivered.
ALTER TABLE device_cursor ADD COLUMN opened_seq BIGINT NOT NULL DEFAULT 0;
