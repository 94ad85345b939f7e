-- Refusals that used up their keys: next to none, and the only rows below all timelines. The oldest go first.
CREATE INDEX entry_refused ON entry (ts_ms) WHERE seq < 0;
