//! What is told and not kept, and how far others are.

/// Something that happens now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `TYPING from=<uid>`, in a group with ` group=<gid>`.
    Typing {
        /// Who writes.
        from: i64,
        /// The group that they write to.
        group_id: Option<i64>,
    },
    /// `PRESENCE uid=<uid> status=<status>`: a friend.
    Presence {
        /// Who.
        uid: i64,
        /// What they are now.
        status: Status,
    },
    /// `WHISPER from=<uid> text=<text>`, in a group with ` group=<gid>` before the text.
    Whisper {
        /// Who says it.
        from: i64,
        /// The group that they say it in.
        group_id: Option<i64>,
        /// Escaped on its way out.
        text: String,
    },
    /// `RECEIPT from=<uid>`, in a group with ` group=<gid>`, with ` delivered=<seq>`, ` read=<seq>` or both.
    Receipt(Receipt),
}

/// How far somebody is in a conversation: up to there, they have everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Who has it.
    pub from: i64,
    /// In which group.
    pub group_id: Option<i64>,
    /// One of their devices has it.
    pub delivered: Option<i64>,
    /// They have read it.
    pub read: Option<i64>,
}

/// What somebody is to their friends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Without a session.
    Offline,
    /// As everybody is at first.
    Online,
    /// Not to be disturbed.
    Busy,
    /// Connected, and not there.
    Away,
}

impl Status {
    /// The word in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Away => "away",
        }
    }

    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        let all = [Self::Offline, Self::Online, Self::Busy, Self::Away];
        all.into_iter().find(|status| word.eq_ignore_ascii_case(status.as_str().as_bytes()))
    }
}
