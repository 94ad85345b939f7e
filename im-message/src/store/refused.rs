//! How a refusal is stored that uses up its key: as the kind of a row of `entry` that is in no timeline,
//! since its seq is the negative of its msg_id. What is read of a timeline begins with seq 1.
//!
//! Such rows are rare (a refusal after a try whose outcome got lost), and are kept.

use super::AppendError;

const NOT_MEMBER: i64 = 3;
const BLOCKED: i64 = 4;
const ALREADY_MEMBER: i64 = 5;

/// Its kind. `None`: it does not depend on what may change, and needs no row.
pub(super) fn kind_of(refusal: &AppendError) -> Option<i64> {
    match refusal {
        AppendError::NotMember => Some(NOT_MEMBER),
        AppendError::Blocked => Some(BLOCKED),
        AppendError::AlreadyMember => Some(ALREADY_MEMBER),
        AppendError::NoSuchConversation | AppendError::Conflict | AppendError::Store(_) => None,
    }
}

/// The refusal that a row of this kind stands for; `None` for an entry of a timeline.
pub(super) fn of_kind(kind: i64) -> Option<AppendError> {
    match kind {
        NOT_MEMBER => Some(AppendError::NotMember),
        BLOCKED => Some(AppendError::Blocked),
        ALREADY_MEMBER => Some(AppendError::AlreadyMember),
        _ => None,
    }
}
