//! How a call failed: a canonical code, a text, and whether the call may have been executed.

mod text;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Address, ServiceDescriptor};

/// The canonical status codes, with the numbers and meanings that gRPC gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Code {
    /// Not an error. A [`Status`] never has it.
    Ok = 0,
    /// The caller gave the call up.
    Cancelled = 1,
    /// An error that no other code describes.
    Unknown = 2,
    /// The request can never be right, whatever state the system is in.
    InvalidArgument = 3,
    /// The time for the call ran out.
    DeadlineExceeded = 4,
    /// Something named in the request does not exist.
    NotFound = 5,
    /// What was to be made exists.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A bound was reached; a later try may go through.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// A conflict with something concurrent; try again from the start.
    Aborted = 10,
    /// Past the valid range.
    OutOfRange = 11,
    /// No such service or method here.
    Unimplemented = 12,
    /// A bug, or a broken invariant.
    Internal = 13,
    /// The other side cannot be reached or does not serve now.
    Unavailable = 14,
    /// Data is lost or corrupted for good.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl Code {
    pub(crate) const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with this number; [`Code::Unknown`] for a number that no code has.
    #[must_use]
    pub fn from_u32(number: u32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index))
            .copied()
            .unwrap_or(Self::Unknown)
    }
}

macro_rules! names {
    ($($code:ident)*) => {
        impl Code {
            /// As it stands in texts and labels: `NotFound`.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)*
                }
            }
        }
    };
}

names! {
    Ok Cancelled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied
    ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable
    DataLoss Unauthenticated
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the handler may have run although the caller got an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// Certainly not: trying again elsewhere is safe.
    No,
    /// Perhaps: only what is idempotent may be tried again.
    Maybe,
}

/// Where on its way a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// No instance to call was known.
    Resolve,
    /// No connection to the instance could be had.
    Connect,
    /// The request was not handed to the socket as a whole.
    Write,
    /// The request was on its way, or at work, when the connection or the time ended.
    Wait,
    /// The other side answered so.
    Remote,
}

/// An error of a call.
///
/// Its text, as `Display` writes it, is for whoever has to do something about it: what failed, in
/// which method of which instance, where on the way, after how long, whether another try is safe,
/// and where to look:
///
/// ```text
/// Unavailable: connecting failed: Connection refused (echo.EchoService/Echo at 10.0.0.5:8010,
/// connecting, after 214.0µs; not executed; see whether the instance runs and listens there)
/// ```
///
/// [`message`](Self::message) is only what the service, or whoever made the status, said.
///
/// One pointer wide, so that the good path stays small.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    details: Bytes,
    executed: Executed,
    stage: Stage,
    peer: Option<Address>,
    /// Which call it was and how long it took; not of a status that no call of this process got.
    call: Option<CallMade>,
}

#[derive(Clone)]
struct CallMade {
    service: &'static ServiceDescriptor,
    method: usize,
    took: Duration,
}

impl Status {
    /// A status as a handler returns it. Its call may have been executed.
    ///
    /// [`Code::Ok`] becomes [`Code::Unknown`]: on the wire it would be a success with an empty
    /// answer.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let code = if code == Code::Ok { Code::Unknown } else { code };
        Self(Box::new(Inner {
            code,
            message: message.into(),
            details: Bytes::new(),
            executed: Executed::Maybe,
            peer: None,
            stage: Stage::Remote,
            call: None,
        }))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The text, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What else the service says of the error, in a form that it documents; empty if nothing.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.0.details
    }

    /// Whether the call may have been executed.
    #[must_use]
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// The instance that the call went to, if one had been chosen.
    #[must_use]
    pub fn peer(&self) -> Option<&Address> {
        self.0.peer.as_ref()
    }

    /// Where the call failed.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The same with `details`.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Bytes>) -> Self {
        self.0.details = details.into();
        self
    }

    /// The same for a call that certainly was not executed.
    pub(crate) fn not_executed(mut self) -> Self {
        self.0.executed = Executed::No;
        self
    }

    /// The same as the outcome of a handler's call, whatever it says of a call that the handler made.
    pub(crate) fn of_handler(mut self) -> Self {
        self.0.executed = Executed::Maybe;
        self
    }

    /// The same for a call that failed at `stage`.
    pub(crate) fn at(mut self, stage: Stage) -> Self {
        self.0.stage = stage;
        self
    }

    /// The same, naming the instance concerned.
    pub(crate) fn with_peer(mut self, peer: Address) -> Self {
        self.0.peer = Some(peer);
        self
    }

    /// The same, naming the call that ended so after it `took` that long.
    pub(crate) fn of_call(
        mut self,
        service: &'static ServiceDescriptor,
        method: usize,
        took: Duration,
    ) -> Self {
        self.0.call = Some(CallMade { service, method, took });
        self
    }
}

macro_rules! makers {
    ($($name:ident => $code:ident),* $(,)?) => {
        impl Status {
            $(
                #[doc = concat!("A status with [`Code::", stringify!($code), "`].")]
                #[must_use]
                pub fn $name(message: impl Into<String>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

makers! {
    cancelled => Cancelled,
    invalid_argument => InvalidArgument,
    deadline_exceeded => DeadlineExceeded,
    not_found => NotFound,
    already_exists => AlreadyExists,
    permission_denied => PermissionDenied,
    resource_exhausted => ResourceExhausted,
    failed_precondition => FailedPrecondition,
    aborted => Aborted,
    unimplemented => Unimplemented,
    internal => Internal,
    unavailable => Unavailable,
    unauthenticated => Unauthenticated,
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({self})")
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn every_code_has_the_number_that_grpc_gave_it() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(Code::from_u32(u32::try_from(number).unwrap()), code);
        }
        assert_eq!(Code::from_u32(17), Code::Unknown);
    }
}
