//! What can go wrong.

use im_wire::{Refusal, Why, text::EncodeError};
use std::{io, path::PathBuf, time::Duration};

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
    /// The outbox's file cannot be used: it is damaged, or another program has it.
    #[error("cannot use the outbox {}: {source}", .path.display())]
    Outbox {
        /// Which.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There is no TLS to be had with whoever answered, or they are not who they should be.
    #[error("cannot speak TLS with {address}: {source}")]
    Tls {
        /// Where to.
        address: String,
        /// The reason.
        source: io::Error,
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
    Io(io::Error),
    /// The server hung up without a word.
    #[error("the server closed the connection")]
    Ended,
    /// The server hung up and said why.
    #[error("the server closed the connection: {0}")]
    Closing(String),
    /// What came is not the protocol.
    #[error("the server does not speak the protocol: {0}")]
    Protocol(&'static str),
    /// The server does not take the log-in now.
    #[error("the server puts the log-in off: {words}")]
    PutOff {
        /// Its words, for example `auth too many attempts`.
        words: String,
        /// After this time it may; 0: it has not said.
        retry_after: Duration,
    },
    /// The server does not refresh the log-in any more: it has ended. In these words.
    #[error("the log-in was not refreshed: {0}")]
    NotRefreshed(String),
    /// The server is connected and answers nothing.
    #[error("the server did not answer within {0:?}")]
    Silent(Duration),
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // TLS and WebSocket say goodbye; who does not is gone all the same.
            io::ErrorKind::UnexpectedEof => Self::Ended,
            _ => Self::Io(error),
        }
    }
}

/// Why a protocol cannot say a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// It does not fit into a line.
    #[error(transparent)]
    Line(#[from] EncodeError),
    /// JSON carries nothing but UTF-8.
    #[error("{0} must be UTF-8")]
    NotUtf8(&'static str),
    /// So many bytes are more than a server takes at once.
    #[error("{0} bytes are too many for one request")]
    TooBig(usize),
    /// A device is called so.
    #[error("a device is text, web, mobile, desktop or bot, perhaps with : and an id")]
    Device,
    /// The protocol has no word for it.
    #[error("this protocol cannot say this")]
    NoWord,
}

/// Why a request has no answer that says yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server said no: its words, and what kind of no it is.
    #[error("{}", .0.words())]
    Refused(Refusal),
    /// The protocol cannot say this. It was not sent.
    #[error(transparent)]
    Invalid(#[from] BadRequest),
    /// There was no room for it in time. It was not sent.
    #[error("no room for another request within {0:?}; it was not sent")]
    Busy(Duration),
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
    /// The outbox does not take the message.
    #[error("the outbox does not take it: {0}")]
    Outbox(String),
    /// The client's worker is gone.
    #[error("the client is closed")]
    Closed,
}

impl RequestError {
    /// Whether the server may have carried the request out all the same.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Lost | Self::SessionClosed(_) | Self::Unexpected(_) => true,
            // A service did not answer, or something went wrong on the way.
            Self::Refused(refusal) => matches!(refusal.why(), Why::Unavailable | Why::Internal),
            Self::Invalid(_) | Self::Busy(_) | Self::Outbox(_) | Self::Closed => false,
        }
    }
}
