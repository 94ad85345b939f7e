//! The text of a status: what someone who has to act on it wants to know.

use std::fmt;

use super::{CallMade, Code, Executed, Stage, Status};

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(inner) = self;
        write!(f, "{}: {}", inner.code, inner.message)?;
        // Made by a handler, or inside a connection that tells no caller.
        if inner.call.is_none() && inner.peer.is_none() {
            return Ok(());
        }
        f.write_str(" (")?;
        if let Some(CallMade { service, method, .. }) = &inner.call {
            f.write_str(&service.path(*method))?;
        }
        if let Some(peer) = &inner.peer {
            let space = if inner.call.is_some() { " " } else { "" };
            write!(f, "{space}at {peer}")?;
        }
        write!(f, ", {}", inner.stage)?;
        if let Some(CallMade { took, .. }) = &inner.call {
            write!(f, ", after {took:.1?}")?;
        }
        f.write_str(match inner.executed {
            Executed::No => "; not executed",
            Executed::Maybe => "; may have been executed",
        })?;
        if let Some(advice) = advice(inner.stage, inner.code) {
            write!(f, "; {advice}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking for an instance",
            Self::Connect => "connecting",
            Self::Write => "before the request was sent",
            Self::Wait => "waiting for the answer",
            Self::Remote => "answered",
        })
    }
}

/// Where to look. Nothing where the message says all there is.
fn advice(stage: Stage, code: Code) -> Option<&'static str> {
    Some(match (stage, code) {
        (Stage::Resolve, _) => "see the channel's target, and what its registry lists",
        (Stage::Connect, Code::DeadlineExceeded) => {
            "see whether the instance runs, and how much time callers give"
        }
        (Stage::Connect, _) => "see whether the instance runs and listens there",
        (Stage::Write, Code::DeadlineExceeded) => {
            "see how much time callers give, and what they spent before"
        }
        (Stage::Write, Code::Unavailable) => "another try is safe",
        (Stage::Wait, Code::DeadlineExceeded) => {
            "see what keeps the handler, and how much time callers give"
        }
        (Stage::Wait, _) => "see whether the instance still runs, and its log",
        (Stage::Remote, Code::Internal | Code::Unknown | Code::DataLoss) => "see its log",
        (Stage::Remote, Code::Unimplemented) => "see which version of the service it serves",
        (Stage::Remote, Code::DeadlineExceeded) => {
            "see what keeps the handler, and how much time callers give"
        }
        (Stage::Write | Stage::Remote, _) => return None,
    })
}
