-- How far users have read.

CREATE TABLE read_position (
    conv BIGINT NOT NULL,
    uid  BIGINT NOT NULL,
    seq  BIGINT NOT NULL,
    PRIMARY KEY (conv, uid)
) ENGINE = InnoDB;

-- How far somebody's devices are in one conversation. Moving a cursor does not touch it.
CREATE INDEX device_cursor_by_conv ON device_cursor (conv, uid);
