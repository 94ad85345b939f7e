//! Makers for the outcome that every answer carries.

use crate::{Code, Result};

impl Result {
    /// Done.
    #[must_use]
    pub fn ok() -> Self {
        Self::with(Code::Ok, "ok")
    }

    /// Done, said in the original's words (`friend added`).
    #[must_use]
    pub fn ok_saying(msg: &str) -> Self {
        Self::with(Code::Ok, msg)
    }

    /// The request cannot be done as it is (`exists`, `bad cred`).
    #[must_use]
    pub fn invalid(msg: &str) -> Self {
        Self::with(Code::Invalid, msg)
    }

    /// Something named in the request does not exist (`group not found`).
    #[must_use]
    pub fn not_found(msg: &str) -> Self {
        Self::with(Code::NotFound, msg)
    }

    /// The service could not do it, through no fault of the caller.
    #[must_use]
    pub fn internal(msg: &str) -> Self {
        Self::with(Code::Internal, msg)
    }

    /// Whether the outcome is success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code() == Code::Ok
    }

    fn with(code: Code, msg: &str) -> Self {
        Self { code: code.into(), msg: msg.to_owned() }
    }
}
