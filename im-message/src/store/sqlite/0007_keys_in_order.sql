-- By key first: gateways make keys that rise with time, so that new ones stand beside each other, whatever
-- their conversations. By conversation, every batch wrote a page for each of them.
CREATE UNIQUE INDEX entry_by_ordered_key ON entry (dedup_key, author, conv);
DROP INDEX entry_by_key;
