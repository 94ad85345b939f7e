//! RPC for services inside a datacentre: protobuf messages over TCP, many calls on a connection,
//! deadlines that travel, and the wire of the C++ framework that it grew out of, on the same port.
//!
//! It is for teams that call their own services from their own services. It finds instances and
//! balances calls over them, keeps connections, leaves a fleet without a failed call, and says of
//! each error where it happened and whether the call may have been executed. It retries nothing that
//! may have been executed.
//!
//! # Five minutes
//!
//! A service is described in a `.proto` file, say `proto/hello.proto`:
//!
//! ```proto
//! syntax = "proto3";
//! package hello;
//!
//! service Greeter {
//!   rpc Greet(GreetReq) returns (GreetResp);
//! }
//! message GreetReq {
//!   string name = 1;
//! }
//! message GreetResp {
//!   string text = 1;
//! }
//! ```
//!
//! The build script makes a trait, a server and a client of it, and `src/lib.rs` includes them:
//!
//! ```text
//! // build.rs
//! fn main() -> Result<(), mprpc_build::Error> {
//!     mprpc_build::compile(&["proto/hello.proto"], &["proto"])
//! }
//! // src/lib.rs
//! mprpc::include_proto!("hello");
//! ```
//!
//! Implement the trait, serve it, call it:
//!
//! ```
//! use std::time::Duration;
//! use mprpc::{Channel, Context, Server, Status};
//! # use mprpc_examples::hello as quick_start;
//! use quick_start::{GreetReq, GreetResp, greeter};
//!
//! struct Polite;
//!
//! impl greeter::Server for Polite {
//!     async fn greet(&self, _cx: &Context, request: GreetReq) -> Result<GreetResp, Status> {
//!         Ok(GreetResp { text: format!("Good day, {}.", request.name) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .add_service(greeter::serve(Polite))
//!     .bind("127.0.0.1:0".parse()?)
//!     .await?;
//! let address = server.local_addr();
//! tokio::spawn(server.serve(std::future::pending()));
//!
//! let channel = Channel::builder(format!("static://{address}")).build()?;
//! let client = greeter::Client::new(&channel);
//! let cx = Context::with_timeout(Duration::from_secs(5));
//! let answer = client.greet(&cx, GreetReq { name: "Ada".to_owned() }).await?;
//! assert_eq!(answer.text, "Good day, Ada.");
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! * **Every call has a deadline**: its [`Context`] is a required argument. A handler passes the
//!   context it got on to the calls it makes, and they share what is left of the time.
//! * **Work stops when the caller is gone**: dropping a call's future cancels it, also at the server,
//!   whose handler is dropped, and with it the calls that it waits for.
//! * **A reply never reaches the wrong caller**, whatever is cancelled when.
//! * **An error says** what ([`Code`]), where ([`Status::stage`], [`Status::peer`]) and whether the
//!   call may have been executed ([`Status::executed`]); its text also says in which method, after
//!   how long, and where to look.
//! * **A registry that is away, or that suddenly lists nobody, empties no list**: who is missing is
//!   called until connections there are refused.
//! * **Everything is bounded**: frames, calls and connections, and what waits for a slow reader.
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
//! | [`Callers`], [`Token`] | whose calls a server takes |
//! | `tls` | TLS, with the feature `tls` |
//! | [`Interceptor`] | what users put into the way of calls, at either end |
//! | [`TraceContext`] | the trace that a call belongs to |
//! | [`codegen`] | what generated code uses |
#![doc = include_str!("../docs/calls.md")]
#![doc = include_str!("../docs/streams.md")]
#![doc = include_str!("../docs/instances.md")]
#![doc = include_str!("../docs/serving.md")]
#![doc = include_str!("../docs/observing.md")]
#![doc = ""]
#![doc = include_str!("metrics.md")]
#![doc = include_str!("../docs/testing.md")]
#![doc = include_str!("../docs/wires.md")]

// Generated code names this crate as its users do.
extern crate self as mprpc;

mod address;
pub mod balance;
mod callers;
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
mod reread;
mod server;
mod service;
mod status;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod trace;
mod transport;
mod wire;

pub use address::{Address, AddressError};
pub use balance::Balance;
pub use callers::{Caller, Callers, Shown};
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
#[cfg(feature = "tls")]
pub use tls::{ClientTls, ListenerTls, ServerTls, TlsError};
pub use token::{Token, TokenError};
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
