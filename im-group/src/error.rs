//! How an operation of im-group ends when it does not succeed.

use im_common::StoreError;

use crate::hand_over::HandOverError;

/// Refusals, which are answers in the words of the protocol, and failures, which are not the
/// caller's. `service.rs` tells them apart, in one place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("bad user_id")]
    BadUserId,
    #[error("bad group_name")]
    BadGroupName,
    #[error("description too long")]
    DescriptionTooLong,
    #[error("exists")]
    NameTaken,
    #[error("group not found")]
    GroupNotFound,
    #[error("already in group")]
    AlreadyInGroup,
    #[error("not in group")]
    NotInGroup,
    #[error("group full")]
    GroupFull,
    #[error("too many groups")]
    TooManyGroups,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    HandOver(#[from] HandOverError),
}
