//! Why a connection ends: the words that text lines show, and the codes that the others have for them.

use crate::failure;

/// The server goes away.
pub const SHUTTING_DOWN: &str = "server shutting down";
/// A length that no frame and no message has: nobody knows where the next one begins.
pub const BAD_LENGTH: &str = "bad length";
/// Nobody has logged in in time.
pub const LOGIN_TIMEOUT: &str = "login timeout";
/// Nothing came for too long.
pub const IDLE: &str = "idle";
/// The client takes nothing of what is written to it.
pub const NOT_READING: &str = "not reading";
/// The same device has logged in again, or as one too many.
pub const LOGGED_IN_ELSEWHERE: &str = "logged in elsewhere";
/// The session's log-in has ended.
pub const LOGGED_OUT: &str = "logged out";

/// The code with which a WebSocket is closed.
pub(crate) fn close_code(reason: &str) -> u16 {
    match reason {
        SHUTTING_DOWN => 1001,
        BAD_LENGTH => 1002,
        LOGIN_TIMEOUT | failure::NOT_LOGIN => 1008,
        failure::TOO_BIG => 1009,
        failure::SERVER_FULL => 1013,
        IDLE => 4000,
        LOGGED_IN_ELSEWHERE => 4001,
        "device revoked" => 4002,
        reason if is_end_of_log_in(reason) => 4003,
        NOT_READING => 4004,
        _ => 1011,
    }
}

/// The code that frames and JSON have for the end of a connection.
pub(crate) fn closing_code(reason: &str) -> u16 {
    match reason {
        LOGGED_IN_ELSEWHERE => 1006,
        "device revoked" => 1004,
        reason if is_end_of_log_in(reason) => 1004,
        LOGIN_TIMEOUT | failure::NOT_LOGIN => 3001,
        failure::TOO_BIG => 2003,
        BAD_LENGTH => 4001,
        // It is over, but not for good: full, shutting down, idle, not reading.
        _ => 5003,
    }
}

/// Whether a log-in has ended, in the words of im-user, with all that it had open.
fn is_end_of_log_in(reason: &str) -> bool {
    matches!(
        reason,
        LOGGED_OUT
            | "logged out everywhere"
            | "refresh token reused"
            | "password changed"
            | "account disabled"
    )
}
