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

    /// It is there already, and is not what was asked for (`conflict`).
    #[must_use]
    pub fn already_exists(msg: &str) -> Self {
        Self::with(Code::AlreadyExists, msg)
    }

    /// The user may not do it here (`not a member`, `blocked`).
    #[must_use]
    pub fn permission_denied(msg: &str) -> Self {
        Self::with(Code::PermissionDenied, msg)
    }

    /// A number makes no sense where it stands (`bad limit`).
    #[must_use]
    pub fn out_of_range(msg: &str) -> Self {
        Self::with(Code::OutOfRange, msg)
    }

    /// Longer than it may be (`text too long`).
    #[must_use]
    pub fn too_large(msg: &str) -> Self {
        Self::with(Code::TooLarge, msg)
    }

    /// Whether the outcome is success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        // Not by the code: a number that is not known here reads as the first one.
        self.code == i32::from(Code::Ok)
    }

    /// The same as the methods that the original has tell it: their callers know the first four codes,
    /// and what has one of its own since is `INVALID` to them. The words stay.
    #[must_use]
    pub fn in_the_originals_codes(self) -> Self {
        match self.code() {
            Code::Ok | Code::Invalid | Code::NotFound | Code::Internal => self,
            _ => Self { code: Code::Invalid.into(), ..self },
        }
    }

    fn with(code: Code, msg: &str) -> Self {
        Self { code: code.into(), msg: msg.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_callers_are_told_no_code_that_they_do_not_know() {
        let told = |result: Result| (result.clone().in_the_originals_codes().code, result.msg);
        assert_eq!(told(Result::ok()), (0, "ok".to_owned()));
        assert_eq!(told(Result::not_found("no such user")).0, 2);
        assert_eq!(told(Result::internal("internal")).0, 3);
        assert_eq!(told(Result::too_large("text too long")), (1, "text too long".to_owned()));
        assert_eq!(told(Result::permission_denied("blocked")).0, 1);
    }

    #[test]
    fn a_code_that_is_not_known_is_no_success() {
        let of_tomorrow = Result { code: 4711, msg: "something new".to_owned() };
        assert!(!of_tomorrow.is_ok());
        assert!(Result::ok().is_ok() && Result::default().is_ok());
        for refused in [Result::already_exists("conflict"), Result::too_large("text too long")] {
            assert!(!refused.is_ok());
        }
    }
}
