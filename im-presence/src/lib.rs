//! im-presence knows who is connected where, and brings to the gateways what is for their users.
//!
//! Gateways bind a route for each session and renew it every second; im-message hands over what it
//! has committed; this service finds the gateways concerned and gives each of them one entry. It
//! keeps nothing on disk and owes nobody anything: every message is in im-message's database, and
//! what is lost on the way here is found by comparing heads.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let deps = im_common::Deps::new(mprpc::discovery::Memory::new());
//! let running = im_presence::start(im_presence::Config::default(), deps).await?;
//! println!("im-presence answers on {}", running.addr);
//! running.join().await?;
//! # Ok(()) }
//! ```
//!
//! # What holds
//!
//! * A device of a user has one route. Who binds another one takes it over, and gets the answer
//!   only when the former session was closed or had a second for it.
//! * A session that was fenced cannot renew or remove its successor's route, nor bind its own again:
//!   of two sessions of a device the one that began later has it, whatever wakes up in between.
//! * A user is not "online" for longer than a route's lifetime after a crash of the gateway, and
//!   not at all once the gateway's address refuses connections.
//! * Routes are read fresh for each entry; nobody is remembered as offline.
//! * A gateway that is slow or frozen fills only its own queue. What is given up leaves a hole in
//!   the numbers of its link, and the gateway sees it within a second.
//! * Routes may be lost, and may be out of reach: then an entry goes to every gateway that this
//!   instance has heard of lately, and chat goes on. Whoever logs in meanwhile has no route: all
//!   those gateways are asked to close what they have of the device, and when the routes are back,
//!   the session's gateway finds its route missing, binds it and syncs. Of two sessions that have
//!   lived beside each other until then, the one that began later stays.
//!
//! # How a loss is found
//!
//! | what happened | who notices | by what |
//! |---|---|---|
//! | a push failed or its queue was full | the gateway | a hole in the numbers, which are repeated every second |
//! | an instance was killed with pushes in its queue | the gateway | its link falls silent, or another instance's begins |
//! | routes expired, were dropped, or Redis was wiped | the gateway | `missing` in a renewal: it binds again, then syncs |
//! | im-message restarted between commit and dispatch | im-message | `resync` in its first dispatch |
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | `start` | the wiring: which adapter, which server |
//! | `presence` | the generated trait; binding, and closing the session that was replaced; users at gateways of the original system, reached through Redis |
//! | `routing` | the table of routes: the port, its conformance suite, the adapters in memory and in Redis; the gateways that were heard of lately |
//! | `dispatch` | entries to gateways, the original's `Deliver`; the port to gateways: numbered links, by calls or over streams in Redis |
//! | `connections` | connections to gateways by address |

#![forbid(unsafe_code)]

mod config;
mod connections;
mod dispatch;
mod presence;
mod routing;
mod start;

pub use config::{Config, OriginalConfig, PushConfig, QueueKind, RedisRoles, RoutesConfig};
pub use start::{StartError, start};
