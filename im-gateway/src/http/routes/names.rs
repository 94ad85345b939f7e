//! How things are named in addresses.

use im_wire::{Peer, failure};
use utoipa::IntoParams;

use crate::http::error::Refused;
use crate::http::json::Part;
use crate::pushed;

/// Whose presence or name may be asked for at once.
const IDS_MAX: usize = 100;
/// As many as always fit into 64 bits.
const DIGITS_MAX: usize = 18;

/// A user's id.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Uid(pub(super) i64);

/// A group's id.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Gid(pub(super) i64);

impl Part for Uid {
    fn parse(part: &str) -> Result<Self, &'static str> {
        positive(part).map(Self).ok_or(failure::BAD_UID)
    }
}

impl Part for Gid {
    fn parse(part: &str) -> Result<Self, &'static str> {
        positive(part).map(Self).ok_or(failure::BAD_GROUP_ID)
    }
}

/// Whom a conversation is with: `7`, `g3`, or by the conversation's name `c2c_7_8`, `grp_3`, which says
/// it only together with who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum With {
    Peer(Peer),
    /// The lower comes first.
    Pair(i64, i64),
}

/// What the document says of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by those who read the document")]
pub(in crate::http) struct Of {
    /// `8`, `g3`, or by its name: `c2c_7_8`, `grp_3`.
    #[param(pattern = r"^((g|grp_)?[1-9][0-9]{0,17}|c2c_[1-9][0-9]{0,17}_[1-9][0-9]{0,17})$")]
    peer: String,
}

impl Part for With {
    fn parse(part: &str) -> Result<Self, &'static str> {
        if let Some(group_id) = part.strip_prefix("grp_") {
            return Gid::parse(group_id).map(|Gid(group_id)| Self::Peer(Peer::Group(group_id)));
        }
        if let Some(group_id) = part.strip_prefix('g') {
            return Gid::parse(group_id).map(|Gid(group_id)| Self::Peer(Peer::Group(group_id)));
        }
        let Some(pair) = part.strip_prefix("c2c_") else {
            return Uid::parse(part).map(|Uid(user_id)| Self::Peer(Peer::User(user_id)));
        };
        let (low, high) = pair.split_once('_').ok_or(failure::BAD_UID)?;
        let (Uid(low), Uid(high)) = (Uid::parse(low)?, Uid::parse(high)?);
        Ok(Self::Pair(low, high))
    }
}

impl With {
    /// The other side, for `user_id`.
    ///
    /// # Errors
    /// The conversation is one of others.
    pub(super) fn of(self, user_id: i64) -> Result<Peer, Refused> {
        match self {
            Self::Peer(peer) => Ok(peer),
            Self::Pair(low, high) if low > high => Err(Refused::of("not allowed")),
            Self::Pair(low, high) if low == user_id => Ok(Peer::User(high)),
            Self::Pair(low, high) if high == user_id => Ok(Peer::User(low)),
            Self::Pair(..) => Err(Refused::of("not allowed")),
        }
    }
}

/// The name of a user's conversation.
pub(super) fn session_id(user_id: i64, peer: Peer) -> String {
    match peer {
        Peer::User(other) => pushed::pair(user_id, other),
        Peer::Group(group_id) => pushed::group(group_id),
    }
}

/// `8,9`.
///
/// # Errors
/// One of them is no id, or there are too many.
pub(super) fn ids(list: &str) -> Result<Vec<i64>, Refused> {
    let ids: Option<Vec<i64>> = list.split(',').map(positive).take(IDS_MAX + 1).collect();
    match ids {
        Some(ids) if ids.len() <= IDS_MAX => Ok(ids),
        _ => Err(Refused::of("bad ids")),
    }
}

/// A number above 0, of digits only: `+7` and `07` would be further spellings.
fn positive(digits: &str) -> Option<i64> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if is_number && digits.len() <= DIGITS_MAX { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_may_be_named_by_its_other_side_or_by_its_own_name() {
        let with = |part: &str| With::parse(part).ok().and_then(|with| with.of(7).ok());
        for (part, expected) in [
            ("8", Some(Peer::User(8))),
            ("g3", Some(Peer::Group(3))),
            ("grp_3", Some(Peer::Group(3))),
            ("c2c_7_8", Some(Peer::User(8))),
            ("c2c_3_7", Some(Peer::User(3))),
            ("c2c_7_7", Some(Peer::User(7))),
            ("c2c_8_9", None),
            ("c2c_8_7", None),
            ("c2c_7", None),
            ("c2c_7_+8", None),
            ("grp_x", None),
            ("0", None),
            ("07", None),
            ("g1000000000000000000", None),
            ("", None),
        ] {
            assert_eq!(with(part), expected, "{part}");
        }
    }

    #[test]
    fn a_list_of_ids_is_bounded() {
        assert_eq!(ids("8,9").unwrap(), [8, 9]);
        assert!(ids("").is_err() && ids("8,,9").is_err() && ids("8, 9").is_err());
        let many = vec!["1"; IDS_MAX].join(",");
        assert_eq!(ids(&many).unwrap().len(), IDS_MAX);
        assert!(ids(&format!("{many},1")).is_err());
    }
}
