//! What several users see of the same piece, as the model has it.

use im_common::StoreError;

use super::Model;
use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::{Range, RangeLimit, SharedRange, Sight, Timeline as _};

impl Model {
    pub(super) async fn shared_range(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<SharedRange, StoreError> {
        // As many ranges as there are users, cut where the entries of all of them together end.
        let all = RangeLimit { entries_max: usize::MAX, bytes_max: usize::MAX };
        let mut ranges = Vec::new();
        for uid in &uids {
            ranges.push(self.range(*uid, conv, after_seq, all).await?);
        }
        let mut seen: Vec<Entry> =
            ranges.iter().flatten().flat_map(|range| range.entries.clone()).collect();
        seen.sort_by_key(|entry| entry.seq);
        seen.dedup();
        let length = |entry: &Entry| match &entry.content {
            Content::Text(text) => text.len(),
            _ => 0,
        };
        let mut bytes = 0;
        let fit = seen.iter().enumerate().take_while(|(index, entry)| {
            bytes += length(entry);
            *index == 0 || (*index < limit.entries_max && bytes <= limit.bytes_max)
        });
        let fit = fit.count();
        let cut = (fit < seen.len()).then(|| seen[fit - 1].seq);
        let state = self.state();
        let conversation = state.conversations.get(&conv);
        let sight = |(uid, range): (&i64, &Option<Range>)| {
            let (range, conversation) = (range.as_ref()?, conversation?);
            let head = range.head;
            let own = conversation.spans.iter().filter(|span| span.uid == *uid);
            let ends = own.map(|span| (span.from, span.to.unwrap_or(head)));
            let spans = ends.filter(|(_, to)| *to > after_seq).collect();
            let complete_to = cut.unwrap_or(head).min(head).max(after_seq);
            Some(Sight { spans, complete_to, head })
        };
        let sights = uids.iter().zip(&ranges).map(sight).collect();
        Ok(SharedRange { entries: seen[..fit].to_vec(), sights })
    }
}
