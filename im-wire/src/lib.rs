//! The client protocols of MPIM as state machines: bytes in, events out.
//!
//! Nothing here opens a socket, reads a clock or starts a task. A caller that owns the socket feeds
//! what it read, takes the commands that come out, answers them when it can, and writes what the
//! machine left in its output. So the gateway, the client library, the tests and the load programs
//! speak through the same code, and the code can be tested byte by byte.
//!
//! What a client may ask for and what comes back is the same in all protocols: a [`Command`], a
//! [`Reply`], which may be a [`Refusal`], and what is [`Shown`] without being asked for. A protocol only
//! says how they are written.
//!
//! The protocols are [`text`], lines that a person can type into `nc`, and [`frames`], JSON behind binary
//! headers, and [`web_socket`], which carries the same JSON; [`event_stream`] is for clients that only read.
//!
//! # Example: a server that answers one command
//!
//! ```
//! use im_wire::text::{Command, Reply, ServerConnection, TextLimits};
//!
//! let mut connection = ServerConnection::new(TextLimits::default());
//! connection.welcome();
//! connection.receive(b"LOGIN ada correct-horse\r\nSE");
//!
//! let (slot, command) = connection.next_command().expect("a whole line is there");
//! assert!(matches!(command, Command::Login { .. }));
//! connection.reply(slot, Reply::Uid(7));
//!
//! assert!(connection.output().ends_with(b"+OK uid=7\n"));
//! assert!(connection.next_command().is_none(), "half a line is not a command");
//! ```
#![forbid(unsafe_code)]

pub mod closing;
mod command;
mod event;
pub mod event_stream;
pub mod failure;
pub mod frames;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod json;
mod listed;
mod log_in;
mod outgoing;
mod output;
mod pipeline;
mod priority;
mod refusal;
mod reply;
mod role;
mod shown;
pub mod text;
pub mod web_socket;

pub use self::{
    command::{CLIENT_MSG_ID_BYTES_MAX, Command, Peer, Secret},
    event::{Event, Receipt, Status},
    listed::{Conv, Group, Hist, LISTED, User},
    log_in::{Credential, LogIn, LoggedIn, Refreshes, Wants},
    outgoing::Outgoing,
    pipeline::Slot,
    priority::Priority,
    refusal::{Refusal, Why},
    reply::Reply,
    role::Role,
    shown::{Message, Shown, What},
};
