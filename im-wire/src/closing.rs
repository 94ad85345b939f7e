//! Why a connection ends, in the words that text lines show and the codes of the others.

/// The code that frames and JSON have for the end of a connection.
pub fn closing_code(reason: &str) -> u16 {
    match reason {
        "logged in elsewhere" => 1006,
        "device revoked" | "logged out" => 1004,
        "login timeout" | "not login" => 3001,
        "too big" => 2003,
        "bad length" => 4001,
        // It is over, but not for good: full, shutting down, idle, not reading.
        _ => 5003,
    }
}
