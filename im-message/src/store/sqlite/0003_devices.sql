-- The author's device. Empty for `text`, which wrote everything so far, and where there is none.
ALTER TABLE entry ADD COLUMN device TEXT NOT NULL DEFAULT '';
