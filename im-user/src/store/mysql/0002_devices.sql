-- Each statement can be run again: what is made here is not made in one transaction.

-- By user: the generation of the device that they began to use last. Whoever changes a user's devices
-- locks their row first.
CREATE TABLE IF NOT EXISTS device_numbering (
    user_id         BIGINT NOT NULL PRIMARY KEY,
    last_generation BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS device (
    user_id       BIGINT NOT NULL,
    name          VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation    BIGINT NOT NULL,
    -- 1: im-message knows where it begins.
    opened        TINYINT NOT NULL,
    since_ms      BIGINT NOT NULL,
    last_login_ms BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
) ENGINE = InnoDB;

-- Those that were revoked while others still have to be told.
CREATE TABLE IF NOT EXISTS revoked_device (
    user_id    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    name       VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    due_at_ms  BIGINT NOT NULL,
    PRIMARY KEY (user_id, generation),
    KEY revoked_device_due (due_at_ms)
) ENGINE = InnoDB;
