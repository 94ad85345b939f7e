//! [`ConvId`]: the name of a conversation, as a value that cannot be malformed.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A pair of users, or a group (messaging.md, "Words").
///
/// Its text is `c2c_<smaller uid>_<larger uid>` or `grp_<group id>`, and each conversation has
/// exactly one text: `FromStr` refuses every other spelling, because two names for one
/// conversation would be two timelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ConvId {
    /// Two users, `low <= high`; the same one twice is a user's notes to themselves.
    Pair { low: i64, high: i64 },
    /// A group, by its id.
    Group(i64),
}

/// A text that names no conversation.
#[derive(Debug, Error)]
#[error("not a conversation id")]
pub(crate) struct MalformedConvId;

impl ConvId {
    /// The conversation of two users, in whichever order they are given.
    pub(crate) fn pair(one: i64, other: i64) -> Self {
        Self::Pair { low: one.min(other), high: one.max(other) }
    }

    /// The users of a pair (once, if it is one user); `None` for a group, whose members are in
    /// the store.
    pub(crate) fn pair_members(self) -> Option<Vec<i64>> {
        match self {
            Self::Pair { low, high } if low == high => Some(vec![low]),
            Self::Pair { low, high } => Some(vec![low, high]),
            Self::Group(_) => None,
        }
    }

    /// The other of a pair; for notes to oneself, oneself. `None` for a group, and for a stranger.
    pub(crate) fn other_of_pair(self, uid: i64) -> Option<i64> {
        match self {
            Self::Pair { low, high } if uid == low => Some(high),
            Self::Pair { low, high } if uid == high => Some(low),
            _ => None,
        }
    }

    /// Whether the name alone shuts this user out: someone else's pair.
    pub(crate) fn excludes(self, uid: i64) -> bool {
        matches!(self, Self::Pair { low, high } if uid != low && uid != high)
    }
}

impl fmt::Display for ConvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { low, high } => write!(f, "c2c_{low}_{high}"),
            Self::Group(id) => write!(f, "grp_{id}"),
        }
    }
}

impl FromStr for ConvId {
    type Err = MalformedConvId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = |digits: &str| {
            // `i64::from_str` also takes `+7` and `007`, which would be second names.
            let canonical = !digits.starts_with(['0', '+', '-']);
            digits.parse::<i64>().ok().filter(|_| canonical).ok_or(MalformedConvId)
        };
        if let Some(group) = text.strip_prefix("grp_") {
            return id(group).map(Self::Group);
        }
        let pair = text.strip_prefix("c2c_").ok_or(MalformedConvId)?;
        let (low, high) = pair.split_once('_').ok_or(MalformedConvId)?;
        match (id(low)?, id(high)?) {
            (low, high) if low <= high => Ok(Self::Pair { low, high }),
            _ => Err(MalformedConvId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_one_name_whoever_writes_first() {
        assert_eq!(ConvId::pair(7, 3), ConvId::pair(3, 7));
        assert_eq!(ConvId::pair(7, 3).to_string(), "c2c_3_7");
        assert_eq!(ConvId::Group(12).to_string(), "grp_12");
    }

    #[test]
    fn the_text_of_a_conversation_reads_back_as_the_same_conversation() {
        for conv in [ConvId::pair(1, 2), ConvId::pair(5, 5), ConvId::Group(i64::MAX)] {
            assert_eq!(conv.to_string().parse::<ConvId>().unwrap(), conv);
        }
    }

    #[test]
    fn no_second_spelling_of_a_conversation_is_accepted() {
        for text in [
            "",
            "c2c_",
            "c2c_1",
            "c2c_2_1",
            "c2c_01_2",
            "c2c_1_+2",
            "c2c_0_1",
            "c2c_-1_2",
            "c2c_1_2_3",
            "c2c_1_2 ",
            "grp_",
            "grp_0",
            "grp_-4",
            "grp_1_2",
            "GRP_1",
            "1",
            "grp_9223372036854775808",
        ] {
            assert!(text.parse::<ConvId>().is_err(), "{text:?} was accepted");
        }
    }
}
