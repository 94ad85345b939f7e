//! Text lines: the protocol of the original client and of `nc`.
//!
//! A client sends commands, one to a line; the server answers each with exactly one reply line, in
//! the order of the commands, and pushes messages between replies. Lines end in LF or CRLF.
//!
//! ```text
//! < +OK welcome. Commands: REGISTER/LOGIN/SEND/PULL
//! > LOGIN ada correct-horse
//! < +OK uid=7
//! < MSG id=61 from=9 ts=1700000000000 text=are you there?
//! > SEND 9 here I am
//! < +OK msg_id=62
//! ```
//!
//! # What holds
//!
//! - **One command, one reply.** A [`Slot`] is handed out with every command and consumed by
//!   [`ServerConnection::reply`], so a second reply does not compile. Lines that are no command
//!   are answered by the connection itself, in their place in the order.
//! - **Order.** Replies leave in the order of the commands, whatever the order in which they were
//!   found. Sends and acknowledgements are handed out while earlier ones are still unanswered;
//!   every other command waits until it is alone ([`Command::is_concurrent`]).
//! - **No forged lines.** Text that others wrote passes through one function on its way out, which
//!   shows control characters as `\xNN` ([`Escaped`]).
//! - **No work without a session.** A command that needs a log-in is refused here, so no service
//!   sees it.
//! - **Bounds.** A line, the commands in flight, and with them everything that is kept, are bounded
//!   by [`TextLimits`]. A connection that is idle holds no buffer.
//!
//! # Where things are
//!
//! | file | holds |
//! |---|---|
//! | `line.rs` | [`LineDecoder`]: bytes to lines |
//! | `parse.rs` | a line to a [`Command`], or the words of its refusal |
//! | `encode.rs` | a command to a line, for clients |
//! | `escape.rs` | [`Escaped`]: untrusted text to something that stays within its line |
//! | `message.rs` | [`Push`] and [`Hist`]: the lines that carry messages, both ways |
//! | `conversation.rs` | [`Conv`]: the line that shows a conversation, both ways |
//! | `event.rs` | [`Event`]: the lines of what is told and not kept, both ways |
//! | `reply.rs` | a [`Reply`] to its lines |
//! | `server.rs` | [`ServerConnection`]: the server's side of one connection |
//! | `client.rs` | [`ServerLine`]: what a client finds in a server's line |

mod client;
mod conversation;
mod encode;
mod escape;
mod event;
mod line;
mod message;
mod parse;
mod reply;
mod server;

pub use self::{
    client::{BadServerLine, ServerLine},
    encode::EncodeError,
    escape::Escaped,
    line::{Line, LineDecoder},
    message::{Push, PushLine},
    server::{ServerConnection, TextLimits, WELCOME},
};
// What is the same in all protocols, for those who speak this one alone.
pub use crate::{
    CLIENT_MSG_ID_BYTES_MAX, Command, Conv, Event, Hist, Peer, Priority, Receipt, Reply, Secret,
    Slot, Status, failure,
};
