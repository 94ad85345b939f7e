-- The seq of the newest entry that was written with receipts; 0 where none was.
ALTER TABLE conversation ADD COLUMN receipt_seq INTEGER NOT NULL DEFAULT 0;
