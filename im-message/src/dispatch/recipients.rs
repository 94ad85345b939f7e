//! Who has to be told of an entry.

use std::collections::{HashMap, VecDeque};

use im_common::StoreError;
use mpim_proto::Delivery;

use super::Committed;
use crate::conversation::ConvId;
use crate::entry::Content;
use crate::proto;
use crate::store::Timeline;

/// What an entry takes on the wire at most, but for its text and recipients.
const ENTRY_BYTES: usize = 128;
/// What a recipient takes on the wire at most: a varint.
const RECIPIENT_BYTES: usize = 10;

/// The first of `entries`, each with all present members of its conversation, the author too: they
/// have other devices, and sessions whose positions have to move. At most `bytes_max` in all, but at
/// least one.
///
/// Members are those of now, not those of the commit. Who joined since is told of an entry from
/// before their span, which their gateway drops; who left since is told of their leaving, notices
/// the gap, and fetches what they may see.
pub(super) async fn deliveries(
    store: &impl Timeline,
    entries: &VecDeque<Committed>,
    bytes_max: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let mut groups: HashMap<ConvId, Vec<i64>> = HashMap::new();
    let mut deliveries = Vec::with_capacity(entries.len());
    let mut bytes = 0;
    for Committed { conv, entry, priority, .. } in entries {
        let mut recipients = match conv.pair_members() {
            Some(pair) => pair,
            None => match groups.get(conv) {
                Some(members) => members.clone(),
                None => {
                    let members = store.members(*conv).await?;
                    groups.entry(*conv).or_insert(members).clone()
                }
            },
        };
        // A joiner may have left since, and a leaver is no longer among the members: their own
        // gateway must apply the change all the same.
        if !matches!(entry.content, Content::Text(_)) && !recipients.contains(&entry.author) {
            recipients.push(entry.author);
        }
        let text_bytes = if let Content::Text(text) = &entry.content { text.len() } else { 0 };
        bytes += ENTRY_BYTES + text_bytes + RECIPIENT_BYTES * recipients.len();
        if bytes > bytes_max && !deliveries.is_empty() {
            break;
        }
        deliveries.push(Delivery {
            entry: Some(proto::entry(*conv, entry)),
            recipients,
            priority: proto::priority_of(*priority).into(),
        });
    }
    Ok(deliveries)
}
