-- Each statement can be run again: what is made here is not made in one transaction.

-- The last id that was given out. A counter of our own, locked by whoever takes the next one: the
-- server's automatic numbers leave gaps behind refusals, and are not in order on all clusters.
CREATE TABLE IF NOT EXISTS numbering (
    name    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    last_id BIGINT NOT NULL
) ENGINE = InnoDB;

INSERT INTO numbering (name, last_id) VALUES ('chat_group', 0)
    ON DUPLICATE KEY UPDATE last_id = last_id;

-- `changes` numbers the joins and leaves of the group, in its order; times are none when a clock
-- jumps. Whoever changes a group's members has its row locked.
CREATE TABLE IF NOT EXISTS chat_group (
    id            BIGINT NOT NULL PRIMARY KEY,
    name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    description   TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    creator_id    BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    changes       BIGINT NOT NULL,
    UNIQUE KEY chat_group_name (name)
) ENGINE = InnoDB;

-- Whoever adds a user to a group has the user's row locked: users are in a bounded number of groups.
-- It is counted up, since between the nodes of a cluster only a change counts as a lock.
CREATE TABLE IF NOT EXISTS joiner (
    user_id BIGINT NOT NULL PRIMARY KEY,
    joins   BIGINT NOT NULL
) ENGINE = InnoDB;

-- `joined` is the number of the join.
CREATE TABLE IF NOT EXISTS member (
    group_id BIGINT NOT NULL,
    user_id  BIGINT NOT NULL,
    joined   BIGINT NOT NULL,
    role     TINYINT NOT NULL,
    PRIMARY KEY (group_id, user_id),
    UNIQUE KEY member_by_joining (group_id, joined),
    KEY member_by_user (user_id, group_id)
) ENGINE = InnoDB;

-- Joins and leaves that im-message has not confirmed. `change_id` is random, so that im-message can
-- tell a repetition from another change even if this database is lost.
CREATE TABLE IF NOT EXISTS pending_change (
    group_id  BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    change_id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id   BIGINT NOT NULL,
    joins     TINYINT NOT NULL,
    attempts  INT NOT NULL,
    due_at_ms BIGINT NOT NULL,
    PRIMARY KEY (group_id, number),
    KEY pending_change_by_member (group_id, user_id, number),
    KEY pending_change_by_due (due_at_ms)
) ENGINE = InnoDB;
