//! RPC for services inside a datacentre: protobuf messages over TCP, many calls on a connection,
//! deadlines that travel, and the wire of the C++ framework that it grew out of, on the same port.
//!
//! A service is described in a `.proto` file. `mprpc-build` makes a trait, a server and a client
//! of it in the build script; no `protoc` is needed:
//!
//! ```text
//! // build.rs
//! fn main() -> Result<(), mprpc_build::Error> {
//!     mprpc_build::compile(&["proto/echo.proto"], &["proto"])
//! }
//! // lib.rs
//! mprpc::include_proto!("echo");
//! ```
//!
//! Implement the trait, serve it, call it:
//!
//! ```
//! use std::time::Duration;
//! use mprpc::{Channel, Context, Server};
//! use mprpc_examples::{Echo, EchoReq, echo_service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .add_service(echo_service::serve(Echo))
//!     .bind("127.0.0.1:0".parse()?)
//!     .await?;
//! let address = server.local_addr();
//! tokio::spawn(server.serve(std::future::pending()));
//!
//! let channel = Channel::builder(format!("static://{address}")).build()?;
//! let echo = echo_service::Client::new(&channel);
//! let cx = Context::with_timeout(Duration::from_millis(300));
//! let answer = echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
//! assert_eq!(answer.payload, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! Across machines, instances are found through ZooKeeper. A server announces itself, a client
//! follows who is there; both go on while ZooKeeper is away:
//!
//! ```no_run
//! use mprpc::discovery::ZooKeeper;
//! use mprpc::{Channel, Server};
//! use mprpc_examples::{Echo, echo_service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let zookeeper = ZooKeeper::builder("10.0.0.1:2181,10.0.0.2:2181").build()?;
//! let server = Server::builder()
//!     .add_service(echo_service::serve(Echo))
//!     .register(zookeeper.clone())
//!     .bind("10.0.0.5:8010".parse()?)
//!     .await?;
//! tokio::spawn(server.serve(std::future::pending()));
//!
//! let channel = Channel::builder("zk://").zookeeper(&zookeeper).build()?;
//! let echo = echo_service::Client::new(&channel);
//! # drop(echo);
//! # Ok(())
//! # }
//! ```
//!
//! # Streams
//!
//! A method whose request, answer, or both are marked `stream` in the `.proto` file carries many
//! messages. Handlers and callers hold the ends: a [`Sender`], a [`Receiver`], and an [`Answer`] where
//! many requests have one.
//!
//! ```
//! # use std::time::Duration;
//! # use mprpc::{Channel, Context, Server};
//! # use mprpc_examples::{Echo, EchoReq, echo_service};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = Server::builder()
//! #     .add_service(echo_service::serve(Echo))
//! #     .bind("127.0.0.1:0".parse()?)
//! #     .await?;
//! # let target = format!("static://{}", server.local_addr());
//! # tokio::spawn(server.serve(std::future::pending()));
//! # let echo = echo_service::Client::new(&Channel::builder(target).build()?);
//! let cx = Context::with_timeout(Duration::from_secs(5));
//! let (mut requests, mut responses) = echo.chat(&cx).await?;
//! requests.send(EchoReq { payload: "hello".into() }).await?;
//! assert_eq!(responses.next().await?.unwrap().payload, "hello");
//! requests.finish();
//! assert!(responses.next().await?.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! A sender waits while its reader is slow; other calls and streams of the connection do not. The
//! deadline is that of the whole stream. A caller that drops an end before the call is over cancels
//! it; a handler that returns ends it, also while the caller still sends. Streams need the v2 wire.
//!
//! # What holds
//!
//! * **Every call has a deadline**: its [`Context`] is a required argument. A handler passes the
//!   context it got on to the calls it makes, and they share what is left of the time.
//! * **Work stops when the caller is gone**: dropping a call's future cancels it, on the v2 wire
//!   also at the server, whose handler is dropped, and with it the calls that it waits for.
//! * **A reply never reaches the wrong caller**, whatever is cancelled when.
//! * **An error says** what ([`Code`]), where ([`Status::stage`], [`Status::peer`]) and whether the
//!   call may have been executed ([`Status::executed`]); its text also says in which method, after
//!   how long, and where to look.
//! * **A registry that is away, or that suddenly lists nobody, empties no list**: who is missing is
//!   called until connections there are refused.
//! * **Everything is bounded**: frames, calls and connections, and what waits for a slow reader.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `etcd` | the registry `etcd://host:port`, over the JSON gateway of its servers |
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | `channel` | [`Channel`]: target, instances, connections |
//! | [`balance`] | which instance gets the next call |
//! | [`discovery`] | where instances are: a list, a file, a name, a process, ZooKeeper, or etcd |
//! | [`health`] | gRPC's health service, which every server serves |
//! | `stream` | [`Sender`], [`Receiver`], [`Answer`]: the ends of calls that carry many messages |
//! | `server` | [`Server`]: services, one port for both wires, drain |
//! | `wire` | both wires as bytes in, events out; `PROTOCOL.md` specifies them, and the nodes of the registry |
//! | `transport` | the wires on sockets |
//! | [`local`] | calls within a process, and networks for tests that break |
//! | [`Interceptor`] | what users put into the way of calls, at either end |
//! | [`TraceContext`] | the trace that a call belongs to |
//! | [`codegen`] | what generated code uses |
//!
//! # Traces
//!
//! A call within a trace is a span of it: W3C `traceparent` and `tracestate` come in with a request,
//! stand in the handler's [`Context`], and go out, with a span id of their own, with the calls that
//! are made with it. Malformed ones count as none.
//!
//! For a subscriber of the `tracing` crate that looks at the target `mprpc` at level DEBUG, calls are
//! spans `mprpc.client` and `mprpc.server`, with the fields `rpc.service`, `rpc.method`, `peer`,
//! `code`, `trace_id`, and `span_id` or `parent_id`. A client then begins a trace where there is
//! none. A trace that is not sampled is passed on and has no spans.
//!
//! # Metrics
//!
//! Through the `metrics` facade, for whoever installs a recorder: of ZooKeeper
//! `mprpc_registry_connected` (0 or 1) and `mprpc_registry_sessions_total`; `mprpc_instances` (by `service`: those that calls may go
//! to), `mprpc_instances_doubted` (those of them that the registry no longer lists),
//! `mprpc_registry_junk_total` (by `registry`: what stands there and makes no sense);
//! of a client's connections, by `wire`, `mprpc_connections` (open now),
//! `mprpc_connections_opened_total` and `mprpc_connect_failures_total`; `mprpc_pings_lost_total`
//! (connections given up because the peer had gone silent) and `mprpc_classic_waiting` (calls that
//! wait for a classic connection); of a server `mprpc_server_connections`,
//! `mprpc_connections_refused_total` (past the bound), `mprpc_connections_drained_total`,
//! `mprpc_connections_forced_total`, `mprpc_protocol_errors_total` and `mprpc_detached`.
//!
//! Of calls, streaming ones included, by `service` and `method`:
//!
//! | name | what |
//! |---|---|
//! | `mprpc_client_calls_total`, `mprpc_server_calls_total` | those that have ended, by `code` too (`Ok`, `NotFound`, …); one that was given up is `Cancelled` |
//! | `mprpc_client_calls_in_flight`, `mprpc_server_calls_in_flight` | those that have not |
//! | `mprpc_client_call_seconds` | how long callers waited, whatever came of it |
//! | `mprpc_client_queue_seconds` | from the request's being encoded to its being taken to be written |
//! | `mprpc_client_write_seconds` | from then on until the kernel had it |
//! | `mprpc_client_remote_seconds` | how long the server had it, as it says itself |
//! | `mprpc_client_network_seconds` | from its being written to the caller's waking, less what the server had |
//! | `mprpc_server_queue_seconds` | from the request's being read to its handler's beginning |
//! | `mprpc_server_handler_seconds` | from then on until its answer stood, interceptors included |
//!
//! Counts and gauges are handed to the recorder once a second. All calls of a method are timed while
//! it has fewer than 2,000 a second; of more, one in two, four, eight and so on, so that 500 to 1,000
//! a second are: a histogram's count is the number of calls that were timed. Only unary calls on the
//! v2 wire are told apart at the client, and of those at most 64 at once on a connection.
//!
//! Of all connections: `mprpc_client_sent_bytes_total`, `mprpc_client_received_bytes_total`,
//! `mprpc_server_sent_bytes_total`, `mprpc_server_received_bytes_total`.
//!
//! Install the recorder before channels and servers are made: histograms, and what is counted of
//! connections, belong to the one that is there when they are made.

// Generated code names this crate as its users do.
extern crate self as mprpc;

mod address;
pub mod balance;
mod channel;
#[doc(hidden)]
pub mod codegen;
mod context;
mod detach;
pub mod discovery;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod health;
mod interceptor;
pub mod local;
mod metadata;
mod meter;
mod server;
mod service;
mod status;
mod stream;
mod trace;
mod transport;
mod wire;

pub use address::{Address, AddressError};
pub use balance::Balance;
pub use channel::{Channel, ChannelBuilder, ChannelError};
pub use context::Context;
pub use detach::Detached;
pub use interceptor::{Intercepted, Interceptor, Outcome};
pub use metadata::Metadata;
pub use server::{
    BoundServer, ServeError, Server, ServerBuilder, ServerError, ServerHandle, ServerState,
};
pub use service::{Service, ServiceDescriptor};
pub use status::{Code, Executed, Stage, Status};
pub use stream::{Answer, Receiver, Sender};
pub use trace::TraceContext;

/// Includes the code that `mprpc-build` generated for a package.
///
/// ```text
/// mprpc::include_proto!("echo");
/// ```
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
