//! How a refusal is stored that uses up its key: as the kind of a row of `entry` that is in no timeline,
//! since its seq is the negative of its msg_id. What is read of a timeline begins with seq 1. Such rows go
//! by their age ([`Retention::forget_refusals`](super::Retention::forget_refusals)).

use super::AppendError;

const NOT_MEMBER: i64 = 3;
const BLOCKED: i64 = 4;

/// Its kind. `None`: it uses up nothing.
///
/// A conversation that never had a member may get one later, too. But nobody is told its id before that,
/// so whoever writes to it guesses, and a row for each guess would be a conversation for each guess. The
/// same holds for users who do not exist, of whom im-user says so before any store is asked.
pub(super) fn kind_of(refusal: &AppendError) -> Option<i64> {
    match refusal {
        AppendError::NotMember => Some(NOT_MEMBER),
        AppendError::Blocked => Some(BLOCKED),
        AppendError::AlreadyMember
        | AppendError::NoSuchConversation
        | AppendError::Conflict
        | AppendError::Store(_) => None,
    }
}

/// The refusal that a row of this kind stands for; `None` for an entry of a timeline.
pub(super) fn of_kind(kind: i64) -> Option<AppendError> {
    match kind {
        NOT_MEMBER => Some(AppendError::NotMember),
        BLOCKED => Some(AppendError::Blocked),
        _ => None,
    }
}
