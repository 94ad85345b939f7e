//! Why a case does not hold.

use std::fmt;

use mprpc::{Code, Status};

/// Why a case does not hold, for people.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self(format!("a call failed: {status}"))
    }
}

/// `what` must be `wanted`.
pub(super) fn equal<T: PartialEq + fmt::Debug>(
    what: &str,
    found: T,
    wanted: T,
) -> Result<(), Failure> {
    if found == wanted {
        return Ok(());
    }
    Err(Failure(format!("{what} is {found:?} instead of {wanted:?}")))
}

/// A call must have failed, with `code`; its status.
pub(super) fn failed<T>(outcome: Result<T, Status>, code: Code) -> Result<Status, Failure> {
    match outcome {
        Ok(_) => Err(Failure(format!("the call succeeded, which should end with {code:?}"))),
        Err(status) if status.code() == code => Ok(status),
        Err(status) => Err(Failure(format!("the call should end with {code:?}: {status}"))),
    }
}
