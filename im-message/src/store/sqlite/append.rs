//! Writing entries: the order of steps is that of messaging.md, "Send", step 3.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

use crate::conversation::ConvId;
use crate::entry::{Content, NewEntry};
use crate::store::{AppendError, Appended, PairBlocks, refused};

/// Writes `entries` in order. An `Err` means that nothing of it may stay.
pub(super) fn append(
    tx: &Connection,
    entries: &[NewEntry],
    now_ms: i64,
) -> rusqlite::Result<Vec<Result<Appended, AppendError>>> {
    let mut batch = Batch::begin(tx, now_ms)?;
    let answers =
        entries.iter().map(|entry| batch.write(entry)).collect::<rusqlite::Result<_>>()?;
    batch.finish()?;
    Ok(answers)
}

/// What the entries of one batch share, so that it is read and written once.
struct Batch<'tx> {
    tx: &'tx Connection,
    now_ms: i64,
    next_msg_id: i64,
    msg_id_start: i64,
    conversations: Vec<Conversation>,
    /// Where each conversation is in `conversations`.
    indexes: HashMap<ConvId, usize, RandomState>,
}

/// A conversation during the batch.
struct Conversation {
    row: i64,
    max_seq: i64,
    stored_max_seq: i64,
    blocks: PairBlocks,
    /// That of its newest entry, once the batch has written one.
    last_msg_id: i64,
    /// The newest that the batch has written with receipts.
    receipt_seq: Option<i64>,
}

impl<'tx> Batch<'tx> {
    fn begin(tx: &'tx Connection, now_ms: i64) -> rusqlite::Result<Self> {
        let next: i64 =
            tx.prepare_cached("SELECT next FROM msg_id_block")?.query_row([], |row| row.get(0))?;
        // 22 bits leave room for four million ids a millisecond. A clock so far ahead that the
        // shift overflows gives a negative number, and the maximum ignores it.
        let start = next.max(now_ms << 22);
        Ok(Self {
            tx,
            now_ms,
            next_msg_id: start,
            msg_id_start: start,
            conversations: Vec::new(),
            indexes: HashMap::default(),
        })
    }

    fn finish(self) -> rusqlite::Result<()> {
        if self.next_msg_id > self.msg_id_start {
            self.tx
                .prepare_cached("UPDATE msg_id_block SET next = ?")?
                .execute([self.next_msg_id])?;
        }
        let mut advance = self
            .tx
            .prepare_cached("UPDATE conversation SET max_seq = ?, last_msg_id = ? WHERE id = ?")?;
        for Conversation { row, max_seq, stored_max_seq, last_msg_id, receipt_seq, .. } in
            &self.conversations
        {
            if max_seq > stored_max_seq {
                advance.execute([max_seq, last_msg_id, row])?;
            }
            if let Some(receipt_seq) = receipt_seq {
                self.tx
                    .prepare_cached("UPDATE conversation SET receipt_seq = ? WHERE id = ?")?
                    .execute([receipt_seq, row])?;
            }
        }
        Ok(())
    }

    /// What is refused leaves no trace in the timeline: every check comes before the first change, and
    /// an insert that fails changes nothing.
    fn write(&mut self, entry: &NewEntry) -> rusqlite::Result<Result<Appended, AppendError>> {
        if entry.conv.excludes(entry.author) {
            return Ok(Err(AppendError::NotMember));
        }
        let Some(index) = self.conversation(entry)? else {
            return Ok(Err(AppendError::NoSuchConversation));
        };
        let Conversation { row, blocks, .. } = self.conversations[index];
        let refused = match self.check_member(row, entry)? {
            Err(refusal) => Some(refusal),
            Ok(()) => blocks.shuts_out(entry.conv, entry.author).then_some(AppendError::Blocked),
        };
        if let Some(refusal) = refused {
            // Somebody who left still gets the answer to what they had sent.
            if let Some(earlier) = self.earlier(row, entry)? {
                return Ok(earlier);
            }
            if entry.repeatable {
                self.use_up(row, entry, &refusal)?;
            }
            return Ok(Err(refusal));
        }
        let appended = self.next(index);
        match self.insert(row, entry, appended) {
            Ok(()) => {}
            // Most keys are new, so none is looked up: the index says if one is not.
            Err(error) if is_duplicate(&error) => return self.earlier(row, entry)?.ok_or(error),
            Err(error) => return Err(error),
        }
        self.take(index, appended, entry.receipts);
        self.change_spans(row, entry, appended.seq)?;
        Ok(Ok(appended))
    }

    /// Where the entry's conversation is in `conversations`; it is begun if the entry may be its
    /// first.
    fn conversation(&mut self, entry: &NewEntry) -> rusqlite::Result<Option<usize>> {
        if let Some(&known) = self.indexes.get(&entry.conv) {
            return Ok(Some(known));
        }
        let name = entry.conv.to_string();
        let found = self
            .tx
            .prepare_cached("SELECT id, max_seq, blocks FROM conversation WHERE conv_id = ?")?
            .query_row([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let may_begin = match entry.conv {
            ConvId::Pair { .. } => matches!(entry.content, Content::Text(_)),
            ConvId::Group(_) => entry.content == Content::Joined,
        };
        let (row, max_seq, blocks) = match found {
            Some(found) => found,
            None if may_begin => {
                self.tx
                    .prepare_cached("INSERT INTO conversation (conv_id, max_seq) VALUES (?, 0)")?
                    .execute([&name])?;
                (self.tx.last_insert_rowid(), 0, 0)
            }
            None => return Ok(None),
        };
        let index = self.conversations.len();
        self.conversations.push(Conversation {
            row,
            max_seq,
            stored_max_seq: max_seq,
            blocks: PairBlocks::stored(blocks),
            last_msg_id: 0,
            receipt_seq: None,
        });
        self.indexes.insert(entry.conv, index);
        Ok(Some(index))
    }

    /// The answer that an entry with the same key was given, or would have been.
    fn earlier(
        &self,
        row: i64,
        entry: &NewEntry,
    ) -> rusqlite::Result<Option<Result<Appended, AppendError>>> {
        let (kind, text) = columns(&entry.content);
        self.tx
            .prepare_cached(
                "SELECT seq, msg_id, ts_ms, kind = ?4 AND text = ?5, kind FROM entry
                 WHERE dedup_key = ?3 AND author = ?2 AND conv = ?1",
            )?
            .query_row((row, entry.author, entry.key.as_bytes(), kind, text), |found| {
                if let Some(refusal) = refused::of_kind(found.get(4)?) {
                    return Ok(Err(refusal));
                }
                let same: bool = found.get(3)?;
                if !same {
                    return Ok(Err(AppendError::Conflict));
                }
                Ok(Ok(Appended {
                    seq: found.get(0)?,
                    msg_id: found.get(1)?,
                    ts_ms: found.get(2)?,
                    new: false,
                }))
            })
            .optional()
    }

    fn check_member(
        &self,
        row: i64,
        entry: &NewEntry,
    ) -> rusqlite::Result<Result<(), AppendError>> {
        let member = match entry.conv {
            // Others than its two users were refused by its name.
            ConvId::Pair { .. } => true,
            ConvId::Group(_) => self
                .tx
                .prepare_cached("SELECT 1 FROM span WHERE conv = ? AND uid = ? AND to_seq IS NULL")?
                .exists([row, entry.author])?,
        };
        Ok(match (&entry.content, member) {
            (Content::Joined, true) => Err(AppendError::AlreadyMember),
            (Content::Text(_) | Content::Left, false) => Err(AppendError::NotMember),
            _ => Ok(()),
        })
    }

    /// The key gets a row that is in no timeline, since its seq is below all of them.
    fn use_up(
        &mut self,
        row: i64,
        entry: &NewEntry,
        refusal: &AppendError,
    ) -> rusqlite::Result<()> {
        let Some(kind) = refused::kind_of(refusal) else { return Ok(()) };
        let msg_id = self.next_msg_id;
        self.next_msg_id += 1;
        self.insert_row(row, entry, (kind, ""), (-msg_id, msg_id))
    }

    /// What the next entry of a conversation gets.
    fn next(&self, index: usize) -> Appended {
        let seq = self.conversations[index].max_seq + 1;
        Appended { seq, msg_id: self.next_msg_id, ts_ms: self.now_ms, new: true }
    }

    /// What `next` said is used.
    fn take(&mut self, index: usize, Appended { seq, msg_id, .. }: Appended, receipts: bool) {
        self.next_msg_id = msg_id + 1;
        let conversation = &mut self.conversations[index];
        conversation.max_seq = seq;
        conversation.last_msg_id = msg_id;
        if receipts {
            conversation.receipt_seq = Some(seq);
        }
    }

    fn insert(&self, row: i64, entry: &NewEntry, appended: Appended) -> rusqlite::Result<()> {
        self.insert_row(row, entry, columns(&entry.content), (appended.seq, appended.msg_id))
    }

    fn insert_row(
        &self,
        row: i64,
        entry: &NewEntry,
        (kind, text): (i64, &str),
        (seq, msg_id): (i64, i64),
    ) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO entry
                     (msg_id, conv, seq, author, dedup_key, kind, ts_ms, text, device)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                msg_id,
                row,
                seq,
                entry.author,
                entry.key.as_bytes(),
                kind,
                self.now_ms,
                text,
                &entry.device,
            ))?;
        Ok(())
    }

    fn change_spans(&self, row: i64, entry: &NewEntry, seq: i64) -> rusqlite::Result<()> {
        let begin = |uid: i64| {
            self.tx
                .prepare_cached("INSERT INTO span (uid, conv, from_seq) VALUES (?, ?, ?)")?
                .execute([uid, row, seq])
        };
        match (&entry.content, entry.conv.pair_members()) {
            (Content::Joined, _) => {
                begin(entry.author)?;
            }
            (Content::Left, _) => {
                let ended = self
                    .tx
                    .prepare_cached(
                        "UPDATE span SET to_seq = ? WHERE conv = ? AND uid = ? AND to_seq IS NULL",
                    )?
                    .execute([seq, row, entry.author])?;
                if ended != 1 {
                    return Err(rusqlite::Error::StatementChangedRows(ended));
                }
            }
            (Content::Text(_), Some(pair)) if seq == 1 => {
                for uid in pair {
                    begin(uid)?;
                }
            }
            (Content::Text(_), _) => {}
        }
        Ok(())
    }
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    let error = error.sqlite_error();
    error.is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// How contents are stored.
fn columns(content: &Content) -> (i64, &str) {
    match content {
        Content::Text(text) => (0, text),
        Content::Joined => (1, ""),
        Content::Left => (2, ""),
    }
}
