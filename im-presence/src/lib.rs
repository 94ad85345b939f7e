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
//! * A device that has a name has one route. Which sessions of other devices a log-in replaces is for
//!   the policy of its class to say, as is whether sessions of a device without a name live side by
//!   side. Whoever binds gets the answer only when the sessions that it replaced were closed or had a
//!   second for it.
//! * A session that was fenced cannot renew or remove its successor's route, nor bind its own again:
//!   of two sessions that exclude each other the one that began later has it, whatever wakes up in
//!   between.
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
//! # Its parts
//!
//! Four parts, each with a service of its own, which run in one process or apart (`parts`, `[targets]`):
//!
//! | part | has | asks |
//! |---|---|---|
//! | `presence` | `PresenceService`: what gateways and im-message call, the original's methods; which session replaces which | the other three |
//! | `routing` | `RoutingService`: the table of routes, and the gateways that were heard of | Redis, if it is there |
//! | `dispatch` | `DispatchService`: entries to gateways over numbered links | routing |
//! | `status` | who is online, busy or away: `look` asks their gateways, `table` is pure and says when friends are told |
//! | `connections` | `ConnectionService`: lists gateways, closes sessions there | routing |
//!
//! They meet only through the traits generated from their contracts ([`mpim_proto::routing_service`] and
//! so on): in one process that is a function call, apart it is the client, and the callers cannot tell.
//! None has what another could not do without for a while: with routing away, entries go to every
//! gateway and log-ins close older sessions everywhere; with connections away, an older session is closed
//! when its route is next renewed; with dispatch away, im-message tries again, and gateways hear that
//! links fell silent. In front of several instances of a part stands its name in the registry.
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | `start` | the wiring: which parts, which adapters, which server |
//! | `part` | a part here or elsewhere |
//! | `presence` | requests to the parts; `bind`: binding, and what is closed then; `original`: users at gateways of the original system, reached through Redis |
//! | `routing` | `routes`: the port, its conformance suite, the adapters in memory and in Redis; `heard` and `roster`: the gateways that are there; `strategy`: which of them a user is sent to |
//! | `dispatch` | `dispatcher`: entries to gateways, the original's `Deliver`; `events`: what is told and not kept; `queue`: the port to gateways, numbered links by calls or over streams in Redis |
//! | `connections` | `gateways`: connections by address; closing sessions |

#![forbid(unsafe_code)]

mod config;
mod connections;
mod dispatch;
mod part;
mod presence;
mod routing;
mod start;
mod status;

pub use config::{
    Config, DevicePolicy, DevicesConfig, OriginalConfig, PartName, PushConfig, QueueKind,
    RedisRoles, RoutesConfig, RoutingConfig, StatusConfig, TargetsConfig,
};
pub use routing::Strategy;
pub use start::{StartError, start};
