//! im-gateway is where clients are connected: it speaks text lines, binary frames and WebSocket with them, knows who is
//! logged in, and shows each what arrives.
//!
//! It owns nothing that lasts. Accounts, groups and messages are asked for over mprpc; what it keeps
//! of a session is how far its client is in each conversation, and that is handed over to im-message
//! as the device's cursors. So a gateway may die at any time: its clients come back, and what they
//! had not received comes again, with the same ids.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let deps = im_common::Deps::new(mprpc::discovery::Memory::new());
//! let running = im_gateway::start(im_gateway::Config::default(), deps).await?;
//! for (speaks, addr) in &running.others {
//!     println!("{speaks}: nc {} {}", addr.ip(), addr.port());
//! }
//! running.join().await?;
//! # Ok(()) }
//! ```
//!
//! # What holds
//!
//! * The sender of a message is the session's user, whatever a line says.
//! * A session's messages to a conversation are stored in the order in which it sent them: one
//!   batch is under way at a time, and tried again with the same ids.
//! * A session is shown each conversation in order, without holes, and nothing twice, whatever
//!   becomes of pushes: a position moves only to the next seq, and the rest is fetched.
//! * A cursor moves only over what has arrived, as far as the protocol can know.
//! * Bind, then sync: the route is there before heads are compared, so nothing falls between.
//! * A client that does not read costs a window of memory and, after a while, its connection. It
//!   holds up nobody, since nothing ever waits for a session.
//! * Every command is answered within a deadline: by what happened, or by one clear error.
//!
//! # A message's way through here
//!
//! ```text
//! socket -> connection -> sending -> calls (SendBatch)            the sender's reply
//! GatewayService.Push -> push -> sessions -> mailbox -> session
//!     -> delivery (next? known? behind?) -> connection -> socket  the receiver's MSG line
//! kernel, or ACK -> window -> cursors -> calls (AdvanceCursors)
//! ```
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | `start`, `config` | the wiring, and every bound by its name |
//! | `listener`, `accepting`, `doorman` | who gets in, how all end |
//! | `entry` | before that: TLS, and whom a proxy says that it brings |
//! | `connection` | one connection: socket, protocol and session in one task |
//! | `wire`, `socket` | what it speaks, and what its bytes go through: one `match` each |
//! | `pipe` | the body of a response in the place of a socket, for server-sent events |
//! | `session` | one log-in: decides what to ask for and what to show; does nothing itself |
//! | `delivery` | pure: positions, and so what becomes of each entry |
//! | `sync` | pure: when heads are compared, page by page |
//! | `core`, `http` | the same for those without a session: requests of HTTP |
//! | `rate`, `rates`, `limits` | how fast a session, and how often a user or an address, may ask |
//! | `metrics` | the handles of what is counted |
//! | `sending` | pure: the order of a session's own messages |
//! | `window`, `cursors`, `tick` | pure: what has arrived, what is written of it, and when |
//! | `kernel` | how much of what was written the peer has not acknowledged |
//! | `calls`, `commands`, `log_in`, `granting`, `complaints` | the calls to services, and what comes of them |
//! | `push`, `mailbox`, `pushed`, `sessions` | what im-presence brings, and to whom |
//! | `events` | what is told and not kept |
//! | `stream` | the same, where it comes over a stream in Redis |
//! | `renew`, `spread` | routes kept alive; what was missed is noticed, and made good without a burst |
//! | `direct`, `original` | beside services of the original system |
//!
//! All but `kernel` is safe code, and that has one call in it.

#![deny(unsafe_code)]

mod accepting;
mod advances;
mod backlog;
mod calls;
mod commands;
mod complaints;
mod config;
mod connection;
mod core;
mod cursors;
mod delivery;
mod direct;
mod doorman;
mod entry;
mod events;
mod fetches;
mod gateway;
mod gather;
mod granting;
mod held;
mod http;
mod kernel;
mod limits;
mod listener;
mod log_in;
mod mailbox;
mod message_ids;
mod metrics;
mod original;
mod pipe;
mod push;
mod pushed;
mod rate;
mod rates;
mod renew;
mod sending;
mod session;
mod sessions;
mod socket;
mod spread;
mod start;
mod stream;
mod sync;
mod tick;
mod window;
mod wire;

pub use config::{
    CallsConfig, ClosingConfig, Config, FramesConfig, HttpConfig, LimitsConfig, OriginalConfig,
    ProxyConfig, PublicConfig, RedisRoles, RoutesConfig, SecureCookie, SessionConfig,
    TargetsConfig, TextConfig, TlsConfig, WebSocketConfig,
};
#[doc(hidden)]
pub use http::web_socket_agreement;
pub use start::{StartError, start};
