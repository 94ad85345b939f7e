-- The author's device. Empty for `text`, which wrote everything so far, and where there is none.
ALTER TABLE entry ADD COLUMN device VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';
