//! The words of refusals. Clients compare them: they are fixed. In text lines they stand after `-ERR `;
//! what codes they have elsewhere, [`Refusal`](crate::Refusal) says.
//!
//! Those of the services (`exists`, `already friends`, `group not found`, …) are passed on as they
//! come and are not repeated here.

/// No command has this name.
pub const UNKNOWN_COMMAND: &str = "unknown cmd";
/// The line is longer than the limit; it was skipped to its end.
pub const LINE_TOO_LONG: &str = "line too long";
/// The frame, message or body is longer than the limit.
pub const TOO_BIG: &str = "too big";
/// A frame of a version that is not spoken here.
pub const BAD_VERSION: &str = "unsupported version";
/// No request has this type.
pub const UNKNOWN_TYPE: &str = "unsupported type";
/// No operation has this name.
pub const UNKNOWN_OPERATION: &str = "unsupported op";
/// The command needs a log-in.
pub const NOT_LOGIN: &str = "not login";
/// A text or a name is not UTF-8.
pub const NOT_UTF8: &str = "not valid UTF-8";

/// An argument is missing or empty.
pub const USAGE_REGISTER: &str = "REGISTER <user> <pwd>";
/// An argument is missing or empty.
pub const USAGE_LOGIN: &str = "LOGIN <user> <pwd>";
/// An argument is missing or the text is empty.
pub const USAGE_SEND: &str = "SEND <toUid> <text>";
/// An argument is missing or the text is empty.
pub const USAGE_SENDID: &str = "SENDID <client_msg_id> <toUid> <text>";
/// An argument is missing or the text is empty.
pub const USAGE_SENDGROUP: &str = "SENDGROUP <group_id> <text>";
/// An argument is missing or the text is empty.
pub const USAGE_SENDGROUPID: &str = "SENDGROUPID <client_msg_id> <group_id> <text>";
/// The name is missing or empty.
pub const USAGE_CREATEGROUP: &str = "CREATEGROUP <group_name> [description]";
/// An argument is missing.
pub const USAGE_HISTORY: &str = "HISTORY <uid or g<gid>> <after_seq> <limit>";
/// An argument is missing.
pub const USAGE_RECENT: &str = "RECENT <uid or g<gid>> <limit> [before_seq]";
/// An argument is missing.
pub const USAGE_READ: &str = "READ <uid or g<gid>> <seq>";

/// The name is missing or empty.
pub const USAGE_DEVICE: &str = "DEVICE <class>:<id>";
/// The name is missing or empty.
pub const USAGE_REVOKE: &str = "REVOKE <device>";
/// The argument is neither `on` nor `off`.
pub const USAGE_EVENTS: &str = "EVENTS on|off";
/// The argument is missing.
pub const USAGE_TYPING: &str = "TYPING <uid or g<gid>>";
/// An argument is missing or the text is empty.
pub const USAGE_WHISPER: &str = "WHISPER <uid or g<gid>> <text>";
/// The argument is missing.
pub const USAGE_RECEIPTS: &str = "RECEIPTS on|off|<uid or g<gid>>";
/// The argument is none of them.
pub const USAGE_PRIORITY: &str = "PRIORITY low|normal|high|urgent";
/// The argument is none of them.
pub const USAGE_STATUS: &str = "STATUS online|busy|away";

/// The receiver of a `SEND` is no positive number.
pub const BAD_TO_UID: &str = "bad toUid";
/// The uid of another command is no positive number.
pub const BAD_UID: &str = "bad uid";
/// The friend is no positive number.
pub const BAD_FRIEND_ID: &str = "bad friend_id";
/// The group is no positive number.
pub const BAD_GROUP_ID: &str = "bad group_id";
/// The message id is no positive number.
pub const BAD_MSG_ID: &str = "bad msg_id";
/// The number of an entry is no positive number.
pub const BAD_SEQ: &str = "bad seq";
/// Empty, too long, or with characters that do not print.
pub const BAD_CLIENT_MSG_ID: &str = "bad client_msg_id";
/// The bounds of a history are no numbers, or out of bounds.
pub const BAD_RANGE: &str = "bad range";

/// A device is called `text`, `web`, `mobile`, `desktop` or `bot`, perhaps with `:` and an id of 1
/// to 64 letters, digits, `.`, `_` and `-`.
pub const BAD_DEVICE: &str = "bad device";
/// Which device a session is, is settled by its log-in.
pub const ALREADY_LOGGED_IN: &str = "already logged in";
/// The user has as many sessions as one may have.
pub const TOO_MANY_SESSIONS: &str = "too many sessions";

/// A token that is none, or is good for nothing any more.
pub const INVALID_TOKEN: &str = "invalid token";
/// Unknown name or wrong password: the same text, so that nobody learns which.
pub const AUTH_BAD_CRED: &str = "auth bad cred";
/// Too many log-ins failed, or are running.
pub const AUTH_TOO_MANY_ATTEMPTS: &str = "auth too many attempts";
/// The receiver does not exist.
pub const NO_SUCH_USER: &str = "no such user";
/// The receiver shuts the sender out.
pub const BLOCKED: &str = "blocked";
/// The sender is not in the group.
pub const NOT_A_MEMBER: &str = "not a member";
/// The text exceeds the configured length.
pub const TEXT_TOO_LONG: &str = "text too long";
/// The session sends faster than it may.
pub const SLOW_DOWN: &str = "slow down";
/// The client message id was used for another text.
pub const CONFLICT: &str = "conflict";
/// The server has as many connections as it may have.
pub const SERVER_FULL: &str = "server full";
/// The fleet has no service for it.
pub const NOT_SUPPORTED: &str = "not supported by this fleet";
/// A service did not answer in time; whether the command took effect is unknown.
pub const UNAVAILABLE: &str = "unavailable, try again";
/// A mistake of ours.
pub const INTERNAL: &str = "internal";
