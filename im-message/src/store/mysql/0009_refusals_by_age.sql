-- Refusals that used up their keys, each a row of `entry` with the seq -msg_id, the oldest first.
-- Beside them, because an index over `entry` would cost every message.
CREATE TABLE refusal (
    ts_ms  BIGINT NOT NULL,
    msg_id BIGINT NOT NULL,
    conv   BIGINT NOT NULL,
    PRIMARY KEY (ts_ms, msg_id)
) ENGINE = InnoDB;
