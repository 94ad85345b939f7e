-- The seq of the first entry that is kept; one above max_seq where none is.
ALTER TABLE conversation ADD COLUMN min_seq INTEGER NOT NULL DEFAULT 1;
