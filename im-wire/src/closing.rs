//! Why a connection ends, in the words that text lines show and the codes of the others.

/// The code with which a WebSocket is closed.
pub fn close_code(reason: &str) -> u16 {
    match reason {
        "server shutting down" => 1001,
        "bad length" => 1002,
        "login timeout" | "not login" => 1008,
        "too big" => 1009,
        "server full" => 1013,
        "idle" => 4000,
        "logged in elsewhere" => 4001,
        "device revoked" => 4002,
        "logged out"
        | "logged out everywhere"
        | "refresh token reused"
        | "password changed"
        | "account disabled" => 4003,
        "not reading" => 4004,
        _ => 1011,
    }
}

/// The code that frames and JSON have for the end of a connection.
pub fn closing_code(reason: &str) -> u16 {
    match reason {
        "logged in elsewhere" => 1006,
        "device revoked"
        | "logged out"
        | "logged out everywhere"
        | "refresh token reused"
        | "password changed"
        | "account disabled" => 1004,
        "login timeout" | "not login" => 3001,
        "too big" => 2003,
        "bad length" => 4001,
        // It is over, but not for good: full, shutting down, idle, not reading.
        _ => 5003,
    }
}
