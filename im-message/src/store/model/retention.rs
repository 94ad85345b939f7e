//! What is no longer kept.

use std::time::Duration;

use im_common::StoreError;

use super::Model;
use crate::conversation::ConvId;
use crate::store::{Expired, Front, Retention};

impl Retention for Model {
    async fn fronts(&self, after: i64, limit: usize) -> Result<Vec<Front>, StoreError> {
        let state = self.state();
        let all = (1..).zip(&state.order).skip(usize::try_from(after).unwrap());
        let front = |(place, conv): (i64, &ConvId)| {
            let conversation = &state.conversations[conv];
            let (_, first) = conversation.entries.first()?;
            Some(Front {
                place,
                conv: *conv,
                first_seq: first.seq,
                first_ts_ms: first.ts_ms,
                last_seq: conversation.max_seq,
            })
        };
        Ok(all.filter_map(front).take(limit).collect())
    }

    async fn trim(
        &self,
        conv: ConvId,
        expired: Expired,
        entries_max: usize,
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        let Some(conversation) = state.conversations.get_mut(&conv) else {
            return Ok(0);
        };
        let mut removed = 0;
        while removed < entries_max
            && let Some((_, first)) = conversation.entries.first()
            && expired.takes(first.seq, first.ts_ms)
        {
            conversation.entries.remove(0);
            removed += 1;
        }
        Ok(removed)
    }

    async fn forget_refusals(
        &self,
        before_ms: i64,
        refusals_max: usize,
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        let conversations = state.conversations.iter();
        let mut old: Vec<_> = conversations
            .flat_map(|(conv, conversation)| {
                let refused = conversation.refused.iter();
                refused.map(|(key, (_, ts_ms))| (*ts_ms, *conv, key.clone()))
            })
            .filter(|(ts_ms, ..)| *ts_ms < before_ms)
            .collect();
        old.sort_by_key(|(ts_ms, ..)| *ts_ms);
        old.truncate(refusals_max);
        for (_, conv, key) in &old {
            state.conversations.get_mut(conv).unwrap().refused.remove(key);
        }
        Ok(old.len())
    }

    async fn take_turn(&self, _every: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }
}
