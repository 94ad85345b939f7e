//! What can go wrong.

use im_wire::text::EncodeError;
use std::{io, time::Duration};

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network said no.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// Where to.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// Nothing happened in time.
    #[error("cannot connect to {address}: no answer within {after:?}")]
    TimedOut {
        /// Where to.
        address: String,
        /// How long it took.
        after: Duration,
    },
    /// Something answered, and hung up or was no such server.
    #[error("{address} does not take the connection: {source}")]
    Rejected {
        /// Where to.
        address: String,
        /// The reason.
        source: ConnectionError,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The network failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server hung up without a word.
    #[error("the server closed the connection")]
    Ended,
    /// The server hung up and said why.
    #[error("the server closed the connection: {0}")]
    Closing(String),
    /// What came is not the protocol.
    #[error("the server does not speak the protocol: {0}")]
    Protocol(&'static str),
    /// The server is connected and answers nothing.
    #[error("the server did not answer within {0:?}")]
    Silent(Duration),
}

/// Why a request has no answer that says yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server said no: its words.
    #[error("{0}")]
    Refused(String),
    /// The protocol cannot say this. It was not sent.
    #[error(transparent)]
    Invalid(#[from] EncodeError),
    /// There was no answer in time.
    #[error("no answer within {0:?}; it may have been carried out")]
    TimedOut(Duration),
    /// The connection was lost before the answer, and the request must not run twice.
    #[error("the connection was lost before the answer; it may have been carried out")]
    Lost,
    /// The server ended the session for good, for example because the user logged in elsewhere.
    #[error("the session was closed: {0}")]
    SessionClosed(String),
    /// An answer that says something else than this request is answered with.
    #[error("an answer that does not belong to the request: {0}")]
    Unexpected(String),
    /// The client's worker is gone.
    #[error("the client is closed")]
    Closed,
}

impl RequestError {
    /// Whether the server may have carried the request out all the same.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Lost | Self::SessionClosed(_) | Self::Unexpected(_) => true,
            Self::Refused(_) | Self::Invalid(_) | Self::Closed => false,
        }
    }
}
