//! What a protocol must offer to carry a [`Client`](crate::Client).

use crate::error::{BadRequest, ConnectError, ConnectionError};
use im_wire::{Command, Refusal, Reply, What};
use std::future::Future;

/// A way to reach one server.
pub trait Transport: Send + Sync + 'static {
    /// What it makes.
    type Connection: Connection;

    /// Where the server is, for people.
    fn address(&self) -> &str;

    /// Connects, and waits until the server has said that it is one. The caller bounds the time.
    ///
    /// Cancel safe: a connection that was not made yet is dropped.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, ConnectError>> + Send;
}

/// One connection: requests out, answers in the same order, what is shown in between.
pub trait Connection: Send + 'static {
    /// Adds a request to what is to be written; [`next`](Self::next) writes it.
    ///
    /// # Errors
    ///
    /// [`BadRequest`] when the protocol cannot say it; nothing is written then.
    fn start(&mut self, request: &Command) -> Result<(), BadRequest>;

    /// Writes what was started, and waits for what the server says next.
    ///
    /// Cancel safe: dropping the future loses nothing, so it can stand in a `select!`.
    fn next(&mut self) -> impl Future<Output = Result<Incoming, ConnectionError>> + Send;
}

/// What a connection brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// The answer to the oldest request without one.
    Answer(Result<Reply, Refusal>),
    /// A message, or something that is told and not kept.
    Shown(What),
}
