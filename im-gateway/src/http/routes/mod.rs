//! The handlers, and what their requests and answers consist of. Each file is about one thing that a
//! user has.

pub(super) mod account;
pub(super) mod conversations;
pub(super) mod devices;
pub(super) mod events;
pub(super) mod friends;
pub(super) mod groups;
pub(super) mod messages;
mod names;
pub(super) mod presence;
mod problems;
pub(super) mod users;
