//! The Rust client of MPIM: one logged-in user, over a connection that comes back.
//!
//! [`Client`] is a handle that tasks share by cloning it; [`Events`] is where messages arrive. A
//! worker task behind them owns the connection. When that is lost, the worker connects again with
//! growing, jittered pauses, logs in again, and sends again what was not answered. A message never
//! doubles by that: each carries an id of its own from the start, and the server answers the same
//! id with the same message. What the server pushes twice is shown once.
//!
//! ```no_run
//! use im_client::{Client, Event, Options, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::parse("ws://127.0.0.1:8080")?;
//! let (client, mut events) = Client::connect(server, Options::default()).await?;
//! client.login("ada", "correct-horse").await?;
//! let msg_id = client.send(9, "here I am").await?;
//! println!("stored as {msg_id}");
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.from, message.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - **Order.** Requests are written in the order of [`Client::submit`], without waiting for each
//!   other's answers, and written again in that order after a reconnect.
//! - **At most once, unless it is safe.** Only requests that may run twice are sent again; of the
//!   others the caller learns that the outcome is unknown ([`RequestError::may_have_run`]).
//! - **An answer reaches only its own request**, also when others were given up: a place in the
//!   order stays taken until its answer came or the connection went.
//! - **Nothing lost, nothing doubled.** What was [posted](Client::post) is sent until it is stored, once.
//!   What was pushed is acknowledged after [`Events`] were asked past it, and so comes again until then;
//!   what comes again is not shown again.
//! - **Logged in for as long as the log-in lasts.** Tokens of a short life are replaced after some
//!   two thirds of it, and the next connection begins with the last. Once the server refreshes them no
//!   more, [`Event::SessionClosed`] says so: then it takes the password, which is not kept.
//! - **Bounds.** Of requests that wait [`queue_max`](Options::queue_max), of those in flight
//!   [`in_flight_max`](Options::in_flight_max), of events that nobody took
//!   [`events_max`](Options::events_max), of remembered ids [`seen_max`](Options::seen_max), of posted
//!   messages [`outbox_max`](Options::outbox_max). A request has at most 64 KiB, a posted text 32 KiB, a
//!   line from the server 1 MiB, a frame or a message of WebSocket 8 MiB. A consumer that stops reading
//!   [`Events`] stops the connection, not the process.
//! - **Deadlines.** Every request ends within [`Options::request_timeout`], and a server that
//!   answers nothing for that long is taken for lost.
//! - **Pauses** before connecting again double from [`backoff_min`](Options::backoff_min) to
//!   [`backoff_max`](Options::backoff_max), each cut by a random part, and are no shorter than the server
//!   asks for.
//! - **Cancellation.** Every future may be dropped. A request that was handed over is carried out all the
//!   same; what [`Client::submit`] had no room for is not sent.
//!
//! # TLS
//!
//! `wss://`, `text+tls://` and `frames+tls://` are spoken where the feature `tls` is, which is on by default.
//!
//! # Where things are
//!
//! | file | holds |
//! |---|---|
//! | `client.rs`, `calls.rs` | [`Client`]: requests, and a call for each thing that a user may do |
//! | `event.rs` | [`Event`], [`Events`] |
//! | `options.rs` | [`Options`]: times and bounds |
//! | `server.rs` | [`Server`]: an address, and the protocol that is spoken there |
//! | `transport.rs` | [`Transport`] and [`Connection`]: what a protocol must offer |
//! | `protocol/` | text lines, frames and the JSON of WebSocket, without sockets and clocks |
//! | `stream.rs`, `tls.rs` | a socket, perhaps behind TLS |
//! | `pipe.rs`, `web_socket.rs` | a protocol on it |
//! | `worker/` | the task that owns the connection: serve, lose, connect, log in, send again |
//! | `session.rs`, `session/` | who is logged in, and how the log-in goes on |
//! | `outbox/` | messages that are to be sent, in memory and in a file |
//! | `acks.rs` | which messages arrived, and were not said to |
//! | `pending.rs` | the requests in flight, and which may be sent again |
//! | `backoff.rs` | how long to wait before the next attempt |
//! | `seen.rs` | the message ids that were shown |
//! | `error.rs` | what can go wrong, and whether the request may have run |
//!
//! The terminal client is the binary of this package: `main.rs`, `command.rs` with `command/table.rs`, `terminal/`.
#![forbid(unsafe_code)]

mod acks;
mod backoff;
mod calls;
mod client;
mod error;
mod event;
mod options;
mod outbox;
mod pending;
mod pipe;
mod protocol;
mod seen;
mod server;
mod session;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod web_socket;
mod worker;

pub use self::{
    client::{Client, Submitted},
    error::{BadRequest, ConnectError, ConnectionError, RequestError},
    event::{Event, Events, Signal},
    options::Options,
    pending::Answered,
    server::{BadServer, Link, Server},
    transport::{Connection, Incoming, Transport},
};
pub use im_wire::{
    Command, Conv, Credential, Group, Hist, LogIn, LoggedIn, Message, Outgoing, Peer, Priority,
    Receipt, Refreshes, Refusal, Reply, Role, Secret, Status, User, Wants, What, Why,
};
