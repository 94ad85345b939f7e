//! What a timeline is made of: entries, before they have a number ([`NewEntry`]) and after
//! ([`Entry`]).

use im_common::Priority;

use crate::conversation::ConvId;

/// What an entry says. Membership is part of the timeline, so that everyone sees a message
/// and the arrival of a member in the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A message.
    Text(String),
    /// `author` became a member; what they see begins with this entry.
    Joined,
    /// `author` ceased to be a member; what they see ends with this entry.
    Left,
}

/// What makes writing the same entry again harmless: unique per (conversation, author).
///
/// It is bytes and not text because three sources share one index and must never meet: the id
/// a client chose is UTF-8, which neither begins with 0xFE nor with 0xFF.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DedupKey(Vec<u8>);

impl DedupKey {
    /// For a message whose sender chose `client_msg_id`.
    pub(crate) fn client(client_msg_id: &str) -> Self {
        Self(client_msg_id.as_bytes().to_vec())
    }

    /// For a message that nobody will send again: random, so unlike every other.
    pub(crate) fn unrepeatable() -> Self {
        let mut key = vec![0xFE];
        key.extend(fastrand::u128(..).to_le_bytes());
        Self(key)
    }

    /// For a membership change that im-group repeats until it is answered.
    pub(crate) fn change(change_id: &str) -> Self {
        let mut key = vec![0xFF];
        key.extend(change_id.as_bytes());
        Self(key)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An entry to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(crate) conv: ConvId,
    /// The sender of a message, or the member whom the change concerns.
    pub(crate) author: i64,
    pub(crate) key: DedupKey,
    pub(crate) content: Content,
    /// The author's device; empty for `text` and where there is none.
    pub(crate) device: String,
    /// The author wants to be told how far others are (QoS 2).
    pub(crate) receipts: bool,
    /// How it is treated beside what is written to other conversations. It is not stored.
    pub(crate) priority: Priority,
    /// Another try of it may be on its way: its author chose the key, or nobody knows what became of an
    /// earlier one. If this one is refused, its key is used up, and all the others are refused as well.
    pub(crate) repeatable: bool,
}

/// An entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number in the conversation: 1, 2, 3 … without holes.
    pub(crate) seq: i64,
    /// Unique in the whole system, roughly in the order of time.
    pub(crate) msg_id: i64,
    pub(crate) author: i64,
    /// When it was committed. For people to read; nothing is ordered by it.
    pub(crate) ts_ms: i64,
    pub(crate) content: Content,
    /// The author's device, which needs no copy; empty for `text` and where there is none.
    pub(crate) device: String,
}
