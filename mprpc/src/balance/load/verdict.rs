//! What the outcome of a call says of the instance that it comes from.

use crate::Code;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As good an answer as any: the instance has looked at what was asked for and found that it
    /// cannot be, as fast as it would have found anything else. Whoever asks for what cannot be
    /// must not drive the others' calls away from the instance.
    Answer,
    /// The instance could not do its work: it counts as slow at once.
    Fault,
    /// The request may be wrong, or the instance: a caller whose token has run out, or an instance
    /// that cannot check tokens; a method that no longer is, or an instance that does not have it
    /// yet. One alone says nothing, since a single caller could drive all calls away from an
    /// instance; several in a row, without one answer between them, are a fault.
    Refusal,
    /// The call was ended when its time was over, and says how slow the instance was.
    Late,
}

impl Verdict {
    pub(super) fn of(code: Code) -> Self {
        match code {
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange => Self::Answer,
            // `Unknown` is what becomes of an error that its handler has not thought of.
            Code::Unknown
            | Code::Internal
            | Code::DataLoss
            | Code::Unavailable
            | Code::ResourceExhausted => Self::Fault,
            // Who cancels a call does not wait for its answer: this one comes from the instance.
            Code::Cancelled
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Self::Refusal,
            Code::DeadlineExceeded => Self::Late,
        }
    }
}
