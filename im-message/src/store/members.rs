//! The part of the port that is about who is in a conversation now.

use std::future::Future;

use im_common::StoreError;

use crate::conversation::ConvId;

/// The present members of conversations. A conversation that has no entries yet has none.
///
/// Cancel safe as the rest of the port.
pub(crate) trait Members {
    /// All of them, in no particular order. There may be as many as a group may have.
    fn members(&self, conv: ConvId) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// The same, unless there are more than `most`: then `None`, and only one more was looked at.
    fn few_members(
        &self,
        conv: ConvId,
        most: usize,
    ) -> impl Future<Output = Result<Option<Vec<i64>>, StoreError>> + Send;

    /// Those of `uids` who are present members, in no particular order.
    fn members_among(
        &self,
        conv: ConvId,
        uids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;
}
