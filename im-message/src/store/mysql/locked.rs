//! Locking the conversations of a batch, and what is read under the locks.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Value};

use super::content;
use super::plan::{Loaded, Locked, may_begin};
use super::sql::{LIST_MAX, filled, repeated};
use crate::conversation::ConvId;
use crate::entry::NewEntry;
use crate::store::{Appended, PairBlocks, refused};

/// A conversation to lock. Ordered by its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) text: String,
    /// Its short id, should it have to be made.
    pub(super) id: i64,
    /// Whether an entry of the batch can be its first.
    pub(super) may_begin: bool,
}

/// The conversations of a batch, each with whether it may be begun; those in the order in which they
/// would begin, so that their short ids rise in it.
pub(super) fn in_order_of_beginning(batch: &[NewEntry]) -> Vec<(ConvId, bool)> {
    let concerned = || batch.iter().filter(|entry| may_concern(entry));
    let begun = concerned().filter(|entry| may_begin(entry)).map(|entry| (entry.conv, true));
    let all = begun.chain(concerned().map(|entry| (entry.conv, false)));
    let mut seen: HashSet<ConvId, RandomState> = HashSet::default();
    all.filter(|(conv, _)| seen.insert(*conv)).collect()
}

/// Whether an entry has any business with its conversation: a stranger's must not lock somebody
/// else's.
fn may_concern(entry: &NewEntry) -> bool {
    !entry.conv.excludes(entry.author)
}

/// Locks the conversations of a batch with one statement, in their order; nothing else ever locks one.
/// `None` if one has to be made first, which `make` does.
pub(super) async fn lock(
    tx: &mut Conn,
    names: &[Name],
    make: bool,
) -> Result<Option<Vec<(ConvId, Locked)>>, Error> {
    let how = match make {
        true => {
            insert(tx, names).await?;
            ""
        }
        // In the order of the primary key: it is the one in which they are inserted, too.
        false => "ORDER BY conv_id FOR UPDATE",
    };
    let texts = names.iter().map(|name| (&name.text).into()).collect();
    let (length, params) = filled(texts, 1);
    let select = format!(
        "SELECT conv_id, id, max_seq, last_msg_id, blocks FROM conversation FORCE INDEX (PRIMARY) \
         WHERE conv_id IN ({}) {how}",
        repeated("?", length, ", ")
    );
    let rows: Vec<(String, i64, i64, i64, i64)> = tx.exec(select, params).await?;
    let found: HashSet<&str, RandomState> = rows.iter().map(|row| row.0.as_str()).collect();
    if names.iter().any(|name| name.may_begin && !found.contains(name.text.as_str())) {
        return Ok(None);
    }
    let locked = |(name, id, max_seq, last_msg_id, blocks): (String, i64, i64, i64, i64)| {
        let blocks = PairBlocks::stored(blocks);
        Ok((super::conv_id(&name)?, Locked { id, max_seq, last_msg_id, blocks }))
    };
    rows.into_iter().map(locked).collect::<Result<_, Error>>().map(Some)
}

/// Locks conversations, and makes those that are missing. A group that nobody joined is made as well,
/// and removed again before the commit: leaving it out would take a second statement that locks.
async fn insert(tx: &mut Conn, names: &[Name]) -> Result<(), Error> {
    let rows = names.iter().flat_map(|name| [(&name.text).into(), name.id.into()]).collect();
    let (length, params) = filled(rows, 2);
    let insert = format!(
        "INSERT INTO conversation (conv_id, id, max_seq, last_msg_id) VALUES {} \
         ON DUPLICATE KEY UPDATE max_seq = max_seq",
        repeated("(?, ?, 0, 0)", length, ", ")
    );
    tx.exec_drop(insert, params).await
}

/// Removes those of these conversations, which are locked, of which nothing is kept: not even a key that a
/// refusal has used up. At least one.
pub(super) async fn remove_unused(
    tx: &mut Conn,
    names: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    let (length, params) = filled(names.into_iter().map(Value::from).collect(), 1);
    tx.exec_drop(unused(length), params).await
}

/// The indexes are named: a small table would be scanned, and others be waited for in another order than
/// that of the locks.
pub(super) fn unused(length: usize) -> String {
    format!(
        "DELETE c FROM conversation c FORCE INDEX (PRIMARY) \
         LEFT JOIN entry e FORCE INDEX (PRIMARY) ON e.conv = c.id \
         WHERE c.conv_id IN ({}) AND c.max_seq = 0 AND c.blocks = 0 AND e.conv IS NULL",
        repeated("?", length, ", ")
    )
}

/// What is known of the conversations, with the present members among the batch's authors.
pub(super) async fn members(
    tx: &mut Conn,
    batch: &[NewEntry],
    conversations: Vec<(ConvId, Locked)>,
) -> Result<Loaded, Error> {
    let mut loaded =
        Loaded { conversations: conversations.into_iter().collect(), ..Loaded::default() };
    let mut members: HashSet<(i64, i64), RandomState> = HashSet::default();
    for entry in batch.iter().filter(|entry| matches!(entry.conv, ConvId::Group(_))) {
        let found = loaded.conversations.get(&entry.conv).filter(|found| found.max_seq > 0);
        members.extend(found.map(|found| (found.id, entry.author)));
    }
    let members: Vec<Value> =
        members.into_iter().flat_map(|(conv, uid)| [uid.into(), conv.into()]).collect();
    for members in members.chunks(LIST_MAX * 2) {
        let (length, params) = filled(members.to_vec(), 2);
        let select = format!(
            "SELECT conv, uid FROM span WHERE to_seq IS NULL AND ({})",
            repeated("(uid = ? AND conv = ?)", length, " OR ")
        );
        let rows: Vec<(i64, i64)> = tx.exec(select, params).await?;
        loaded.members.extend(rows);
    }
    Ok(loaded)
}

/// A row of `entry` as it is looked up by its key.
type EarlierRow = (i64, i64, Vec<u8>, i64, String, i64, i64, i64);

/// Looks up the keys of the batch.
pub(super) async fn look_up(
    tx: &mut Conn,
    batch: &[NewEntry],
    loaded: &mut Loaded,
) -> Result<(), Error> {
    let mut keys: Vec<Value> = Vec::with_capacity(batch.len() * 3);
    for entry in batch.iter().filter(|entry| may_concern(entry)) {
        // One that was made without a message may have keys that a refusal has used up.
        if let Some(Locked { id, .. }) = loaded.conversations.get(&entry.conv) {
            keys.extend([(*id).into(), entry.author.into(), entry.key.as_bytes().into()]);
        }
    }
    for keys in keys.chunks(LIST_MAX * 3) {
        let (length, params) = filled(keys.to_vec(), 3);
        let select = format!(
            "SELECT conv, author, dedup_key, kind, text, seq, msg_id, ts_ms FROM entry WHERE {}",
            repeated("(conv = ? AND author = ? AND dedup_key = ?)", length, " OR ")
        );
        let rows: Vec<EarlierRow> = tx.exec(select, params).await?;
        for (conv, author, key, kind, text, seq, msg_id, ts_ms) in rows {
            let appended = Appended { seq, msg_id, ts_ms, new: false };
            let earlier = match refused::of_kind(kind) {
                Some(refusal) => Err(refusal),
                None => Ok((content(kind, text)?, appended)),
            };
            loaded.earlier.insert((conv, author, key), earlier);
        }
    }
    Ok(())
}
