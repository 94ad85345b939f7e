-- Entries that others were not told of, for an operator to see: dispatches that were given up on.
CREATE TABLE dead_letter (
    id        BIGINT NOT NULL AUTO_INCREMENT,
    conv_id   VARCHAR(48) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq  BIGINT NOT NULL,
    reason    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tries     BIGINT NOT NULL,
    at_ms     BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY dead_letter_by_beginning (conv_id, first_seq)
) ENGINE = InnoDB;
