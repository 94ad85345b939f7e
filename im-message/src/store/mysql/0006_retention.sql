-- The seq of the first entry that is kept; one above max_seq where none is.
ALTER TABLE conversation ADD COLUMN min_seq BIGINT NOT NULL DEFAULT 1;

-- One row: when an instance is to look again for what has expired. By this server's clock, in UTC.
CREATE TABLE retention (
    only_row TINYINT NOT NULL,
    next_at  DATETIME(3) NOT NULL,
    PRIMARY KEY (only_row)
) ENGINE = InnoDB;
INSERT INTO retention (only_row, next_at) VALUES (1, '2000-01-01 00:00:00');
