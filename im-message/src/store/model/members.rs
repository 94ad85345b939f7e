//! Who is in a conversation now, as the model has it.

use im_common::StoreError;

use super::Model;
use crate::conversation::ConvId;
use crate::store::Members;

impl Members for Model {
    async fn members(&self, conv: ConvId) -> Result<Vec<i64>, StoreError> {
        let state = self.state();
        let Some(conversation) = state.conversations.get(&conv) else {
            return Ok(Vec::new());
        };
        let open = conversation.spans.iter().filter(|span| span.to.is_none());
        Ok(open.map(|span| span.uid).collect())
    }

    async fn few_members(&self, conv: ConvId, most: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let members = self.members(conv).await?;
        Ok((members.len() <= most).then_some(members))
    }

    async fn members_among(&self, conv: ConvId, uids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let mut members = self.members(conv).await?;
        members.retain(|uid| uids.contains(uid));
        Ok(members)
    }
}
