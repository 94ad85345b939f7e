//! Who shuts out whom, as the model has it.

use im_common::StoreError;

use super::{Conversation, Model};
use crate::conversation::ConvId;
use crate::store::Blocks;

impl Blocks for Model {
    async fn block(
        &self,
        by: i64,
        whom: i64,
        _now_ms: i64,
        blocked_max: usize,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let blocked = state.blocks.iter().filter(|(uid, _)| *uid == by).count();
        if !state.blocks.contains(&(by, whom)) && blocked >= blocked_max {
            return Ok(false);
        }
        state.blocks.insert((by, whom));
        let conv = ConvId::pair(by, whom);
        if !state.conversations.contains_key(&conv) {
            state.order.push(conv);
            state.conversations.insert(conv, Conversation::default());
        }
        Ok(true)
    }

    async fn unblock(&self, by: i64, whom: i64) -> Result<(), StoreError> {
        self.state().blocks.remove(&(by, whom));
        Ok(())
    }

    async fn blocked(
        &self,
        by: i64,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, bool), StoreError> {
        let state = self.state();
        let all = state.blocks.iter().filter(|(uid, whom)| *uid == by && *whom > after);
        let mut found: Vec<i64> = all.map(|(_, whom)| *whom).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }
}
