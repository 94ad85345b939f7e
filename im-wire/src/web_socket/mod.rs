//! WebSocket (RFC 6455), from the first byte after its handshake on: JSON in envelopes, or frames in
//! binary messages.
//!
//! ```text
//! {"type":2001,"id":"a7","body":{…}}
//! ```
//!
//! The bodies are those of [frames](crate::frames). What is done with them is the same, too.
//!
//! | file | holds |
//! |---|---|
//! | `messages.rs` | [`Messages`]: bytes to messages and back, without a socket |
//! | `feed.rs` | memory in the place of a socket, for the codec |
//! | `rest.rs` | whether the bytes so far end between two messages |
//! | `server.rs` | [`ServerConnection`]: the server's side of one connection |
//!
//! The codec is that of `tokio-websockets`. It is fed from memory, and there is none while a connection
//! rests between two messages: so an idle WebSocket holds no buffers, and costs what any other idle
//! connection does.

mod feed;
mod messages;
mod rest;
mod server;

pub use self::{
    messages::{Incoming, Messages},
    server::{DEVICE, ServerConnection, SocketLimits, closing_frame},
};
