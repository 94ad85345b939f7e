//! A message that a client sends.

use super::{Peer, Priority};

/// A message, with what it says of itself. What it does not say, its session has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Makes a retry safe.
    pub client_msg_id: Option<String>,
    /// Whom it goes to.
    pub to: Peer,
    /// Not empty.
    pub text: String,
    /// What goes first.
    pub priority: Option<Priority>,
    /// Whether its sender is told how far others are with it.
    pub receipts: Option<bool>,
}
