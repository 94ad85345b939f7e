//! Why a command was refused: in the words that text lines show, and in the codes of the others.

use super::{closing, failure};
use std::borrow::Cow;
use std::time::Duration;

/// A refusal. Its words are fixed, since clients compare them; what else a protocol says of it follows
/// from them, so that all protocols say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    words: Cow<'static, str>,
    /// What it is if its words are not in the table.
    otherwise: Why,
    retry_after_ms: u32,
}

impl Refusal {
    /// With one of [`failure`], or with what a service said.
    pub fn of(words: impl Into<Cow<'static, str>>) -> Self {
        Self::or(words, Why::BadArgument)
    }

    /// The same, with what it is if the table does not have its words: that is known of what a service
    /// said.
    pub fn or(words: impl Into<Cow<'static, str>>, otherwise: Why) -> Self {
        Self { words: words.into(), otherwise, retry_after_ms: 0 }
    }

    /// With the time after which it may be tried again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let ms = u32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        Self { retry_after_ms: ms.max(1), ..self }
    }

    /// What text lines show. It may hold what somebody wrote, so each protocol escapes it in its way.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The kind of refusal.
    pub fn why(&self) -> Why {
        Why::of(&self.words).unwrap_or(self.otherwise)
    }

    /// The code in frames and in JSON.
    pub fn code(&self) -> u16 {
        self.why().code()
    }

    /// When it may be tried again, in milliseconds from now, if that is known.
    pub fn retry_after_ms(&self) -> Option<u32> {
        Some(self.retry_after_ms).filter(|ms| *ms > 0)
    }
}

/// The kinds of refusals. Each has one code, one canonical status and one status of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The operation needs a log-in.
    NotLoggedIn,
    /// Unknown name or wrong password; nobody learns which.
    BadCredentials,
    /// The token says nothing, or was revoked.
    InvalidToken,
    /// The token's time is over.
    TokenExpired,
    /// Too much of it; it may be tried again later.
    SlowDown,
    /// The user has as many sessions as one may have.
    TooManySessions,
    /// It is there already, or the same id was used for something else.
    AlreadyExists,
    /// Which user or device a connection is, is settled.
    AlreadyLoggedIn,
    /// The server has as many connections as it may have.
    ServerFull,
    /// Somebody has as many as one may have.
    LimitReached,
    /// No such user.
    NoSuchUser,
    /// Nothing of that name or number.
    NotFound,
    /// The caller is not in the group.
    NotInGroup,
    /// The caller may not do this.
    NotAllowed,
    /// The text is longer than a text may be.
    TextTooLong,
    /// The line, frame or body is longer than one may be.
    TooBig,
    /// The bounds of a list.
    BadRange,
    /// An argument is missing, or is no value of its kind.
    BadArgument,
    /// No operation of this name or number.
    UnknownOperation,
    /// No version of the protocol that is spoken here.
    BadVersion,
    /// The services behind this gateway do not have it.
    NotSupported,
    /// A service did not answer in time; whether the operation took effect is unknown.
    Unavailable,
    /// A mistake of ours.
    Internal,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::NotLoggedIn,
        Self::BadCredentials,
        Self::InvalidToken,
        Self::TokenExpired,
        Self::SlowDown,
        Self::TooManySessions,
        Self::ServerFull,
        Self::AlreadyExists,
        Self::AlreadyLoggedIn,
        Self::LimitReached,
        Self::NoSuchUser,
        Self::NotFound,
        Self::NotInGroup,
        Self::NotAllowed,
        Self::TextTooLong,
        Self::TooBig,
        Self::BadRange,
        Self::BadArgument,
        Self::UnknownOperation,
        Self::BadVersion,
        Self::NotSupported,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The kind that words stand for; `None` for words that only a service knows.
    fn of(words: &str) -> Option<Self> {
        Some(match words {
            failure::NOT_LOGIN => Self::NotLoggedIn,
            failure::AUTH_BAD_CRED | "bad cred" => Self::BadCredentials,
            failure::INVALID_TOKEN
            | "revoked"
            | "device revoked"
            | "auth logged out"
            | "token not yet valid" => Self::InvalidToken,
            "token expired" => Self::TokenExpired,
            failure::AUTH_TOO_MANY_ATTEMPTS | "too many attempts" | failure::SLOW_DOWN => {
                Self::SlowDown
            }
            failure::TOO_MANY_SESSIONS => Self::TooManySessions,
            failure::CONFLICT | "exists" | "already friends" | "already in group" => {
                Self::AlreadyExists
            }
            failure::ALREADY_LOGGED_IN => Self::AlreadyLoggedIn,
            "group full" | "too many devices" | "too many groups" | "too many friends"
            | "too many blocked" => Self::LimitReached,
            failure::NO_SUCH_USER | "friend not found" => Self::NoSuchUser,
            "group not found" | "no such device" | "not found" => Self::NotFound,
            failure::NOT_A_MEMBER | "not in group" => Self::NotInGroup,
            failure::BLOCKED
            | "not allowed"
            | "not a friend"
            | "account disabled"
            | "auth account disabled" => Self::NotAllowed,
            failure::TEXT_TOO_LONG => Self::TextTooLong,
            failure::LINE_TOO_LONG | failure::TOO_BIG => Self::TooBig,
            failure::BAD_RANGE | "beyond the head" | "already read" => Self::BadRange,
            failure::UNKNOWN_COMMAND | failure::UNKNOWN_TYPE | failure::UNKNOWN_OPERATION => {
                Self::UnknownOperation
            }
            failure::BAD_VERSION => Self::BadVersion,
            failure::NOT_SUPPORTED => Self::NotSupported,
            failure::SERVER_FULL => Self::ServerFull,
            failure::UNAVAILABLE | closing::SHUTTING_DOWN => Self::Unavailable,
            failure::INTERNAL => Self::Internal,
            _ => return None,
        })
    }

    /// The code in frames and in JSON.
    pub fn code(self) -> u16 {
        match self {
            Self::NoSuchUser => 1001,
            Self::BadCredentials => 1002,
            Self::AlreadyLoggedIn => 1003,
            Self::InvalidToken => 1004,
            Self::TokenExpired => 1005,
            Self::TooManySessions => 1006,
            Self::NotFound => 2001,
            Self::NotInGroup => 2002,
            Self::TextTooLong | Self::TooBig => 2003,
            Self::NotLoggedIn | Self::NotAllowed | Self::LimitReached => 3001,
            Self::AlreadyExists | Self::BadRange | Self::BadArgument => 4001,
            Self::UnknownOperation | Self::NotSupported => 4002,
            Self::BadVersion => 4003,
            Self::Internal => 5001,
            Self::SlowDown | Self::ServerFull | Self::Unavailable => 5003,
        }
    }

    /// The canonical status, by its name.
    pub fn canonical(self) -> &'static str {
        match self {
            Self::NotLoggedIn | Self::BadCredentials | Self::InvalidToken | Self::TokenExpired => {
                "UNAUTHENTICATED"
            }
            Self::SlowDown | Self::TooManySessions | Self::ServerFull | Self::LimitReached => {
                "RESOURCE_EXHAUSTED"
            }
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::AlreadyLoggedIn => "FAILED_PRECONDITION",
            Self::NoSuchUser | Self::NotFound => "NOT_FOUND",
            Self::NotInGroup | Self::NotAllowed => "PERMISSION_DENIED",
            Self::TextTooLong | Self::TooBig | Self::BadArgument | Self::BadVersion => {
                "INVALID_ARGUMENT"
            }
            Self::BadRange => "OUT_OF_RANGE",
            Self::UnknownOperation | Self::NotSupported => "UNIMPLEMENTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// The status of HTTP.
    pub fn http_status(self) -> u16 {
        match self {
            Self::TextTooLong | Self::BadRange | Self::BadArgument | Self::BadVersion => 400,
            Self::NotLoggedIn | Self::BadCredentials | Self::InvalidToken | Self::TokenExpired => {
                401
            }
            Self::NotInGroup | Self::NotAllowed => 403,
            Self::NoSuchUser | Self::NotFound | Self::UnknownOperation => 404,
            Self::AlreadyExists | Self::AlreadyLoggedIn => 409,
            Self::TooBig => 413,
            Self::SlowDown | Self::TooManySessions | Self::LimitReached => 429,
            Self::Internal => 500,
            Self::NotSupported => 501,
            Self::ServerFull | Self::Unavailable => 503,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_contract_have_its_codes() {
        for (words, code, canonical, http) in [
            ("not login", 3001, "UNAUTHENTICATED", 401),
            ("auth bad cred", 1002, "UNAUTHENTICATED", 401),
            ("invalid token", 1004, "UNAUTHENTICATED", 401),
            ("token expired", 1005, "UNAUTHENTICATED", 401),
            ("auth too many attempts", 5003, "RESOURCE_EXHAUSTED", 429),
            ("slow down", 5003, "RESOURCE_EXHAUSTED", 429),
            ("too many sessions", 1006, "RESOURCE_EXHAUSTED", 429),
            ("server full", 5003, "RESOURCE_EXHAUSTED", 503),
            ("exists", 4001, "ALREADY_EXISTS", 409),
            ("conflict", 4001, "ALREADY_EXISTS", 409),
            ("already in group", 4001, "ALREADY_EXISTS", 409),
            ("already logged in", 1003, "FAILED_PRECONDITION", 409),
            ("group full", 3001, "RESOURCE_EXHAUSTED", 429),
            ("no such user", 1001, "NOT_FOUND", 404),
            ("friend not found", 1001, "NOT_FOUND", 404),
            ("group not found", 2001, "NOT_FOUND", 404),
            ("not a member", 2002, "PERMISSION_DENIED", 403),
            ("blocked", 3001, "PERMISSION_DENIED", 403),
            ("text too long", 2003, "INVALID_ARGUMENT", 400),
            ("line too long", 2003, "INVALID_ARGUMENT", 413),
            ("bad range", 4001, "OUT_OF_RANGE", 400),
            ("bad toUid", 4001, "INVALID_ARGUMENT", 400),
            ("SEND <toUid> <text>", 4001, "INVALID_ARGUMENT", 400),
            ("weak password", 4001, "INVALID_ARGUMENT", 400),
            ("unknown cmd", 4002, "UNIMPLEMENTED", 404),
            ("unavailable, try again", 5003, "UNAVAILABLE", 503),
        ] {
            let why = Refusal::of(words).why();
            let found = (words, why.code(), why.canonical(), why.http_status());
            assert_eq!(found, (words, code, canonical, http));
        }
    }

    #[test]
    fn what_only_a_service_knows_is_what_the_service_says_it_is() {
        let said = |why| Refusal::or("the moon is full", why).code();
        assert_eq!((said(Why::NotFound), said(Why::Internal)), (2001, 5001));
        assert_eq!(Refusal::or("blocked", Why::NotFound).why(), Why::NotAllowed);
    }
}
