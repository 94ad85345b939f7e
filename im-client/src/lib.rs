//! The Rust client of MPIM: one logged-in user, over a connection that comes back.
//!
//! [`Client`] is a handle that tasks share by cloning it; [`Events`] is where messages arrive. A
//! worker task behind them owns the connection. When that is lost, the worker connects again with
//! growing, jittered pauses, logs in again, and sends again what was not answered. A message never
//! doubles by that: each carries an id of its own from the start, and the server answers the same
//! id with the same message. What the server pushes twice is shown once.
//!
//! ```no_run
//! use im_client::{Client, Event, Options, TextLines};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TextLines::new("127.0.0.1:6000");
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
//! - **Bounds.** Requests waiting, requests in flight, events that nobody took, remembered ids:
//!   [`Options`] has the numbers. A consumer that stops reading [`Events`] stops the connection,
//!   not the process.
//! - **Deadlines.** Every request ends within [`Options::request_timeout`], and a server that
//!   answers nothing for that long is taken for lost.
//!
//! # Where things are
//!
//! | file | holds |
//! |---|---|
//! | `client.rs` | [`Client`], [`Events`], [`Options`]: what users of the library touch |
//! | `transport.rs` | [`Transport`] and [`Connection`]: what a protocol must offer |
//! | `text_lines.rs` | [`TextLines`]: the text protocol over TCP. Binary frames and WebSocket get a file beside it |
//! | `worker.rs` | the task that owns the connection: serve, lose, connect, log in, send again |
//! | `pending.rs` | the requests in flight, and which may be sent again |
//! | `backoff.rs` | how long to wait before the next attempt |
//! | `seen.rs` | the message ids that were shown |
//! | `error.rs` | what can go wrong, and whether the request may have run |
//!
//! The terminal client is the binary of this package: `main.rs`, `command.rs` with `command/table.rs`, `terminal/`.
#![forbid(unsafe_code)]

mod backoff;
mod client;
mod error;
mod pending;
mod seen;
mod text_lines;
mod transport;
mod worker;

pub use self::{
    client::{Client, Event, Events, Options, Reply},
    error::{ConnectError, ConnectionError, RequestError},
    pending::Answered,
    text_lines::TextLines,
    transport::{Answer, Connection, Incoming, Refusal, Transport},
};
pub use im_wire::text::{Command, Conv, Hist, Peer, Push, Secret};
