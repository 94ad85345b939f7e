//! Calls within a process: servers and channels that meet by name, without a socket.
//!
//! A server listens on `local:name`, a channel goes to `static://local:name` (or is sent there by a
//! registry), and bytes move between them in memory. Everything above that is the same as over TCP:
//! both wires, deadlines, drain, reconnecting, keepalive.
//!
//! # A test of one's own, in virtual time
//!
//! Nothing here asks the kernel for anything, so that under tokio's paused time a test is
//! deterministic: hours pass when, and only when, nothing else is left to do. With a [`Network`] of
//! its own it can also take things away, and with [`discovery::Memory`](crate::discovery::Memory) it
//! decides what is listed.
//!
//! ```
//! use std::time::Duration;
//! use mprpc::{Channel, Code, Context, Server, discovery::{Endpoint, Memory}};
//! use mprpc::local::{Network, Partition};
//! # use mprpc_examples::{Echo, EchoReq, EchoSlowlyReq, echo_service};
//!
//! # fn main() {
//! #     let mut runtime = tokio::runtime::Builder::new_current_thread();
//! #     let runtime = runtime.enable_all().start_paused(true).build().unwrap();
//! #     runtime.block_on(test()).unwrap();
//! # }
//! // #[tokio::test(start_paused = true)]
//! async fn test() -> Result<(), Box<dyn std::error::Error>> {
//!     let (network, registry) = (Network::new(), Memory::new());
//!     let server = Server::builder()
//!         .add_service(echo_service::serve(Echo))
//!         .network(&network)
//!         .listen(network.address("echo-1"))
//!         .bind_all()
//!         .await?;
//!     tokio::spawn(server.serve(std::future::pending()));
//!     registry.list(&echo_service::DESCRIPTOR, [Endpoint::new(network.address("echo-1"))]);
//!
//!     let channel = Channel::builder("memory://").memory(&registry).network(&network).build()?;
//!     let client = echo_service::Client::new(&channel);
//!     let cx = || Context::with_timeout(Duration::from_secs(5));
//!     let hello = || EchoReq { payload: "hello".into() };
//!     assert_eq!(client.echo(&cx(), hello()).await?.payload, "hello");
//!
//!     // A deadline: an hour of work, for which the caller has five seconds.
//!     let slow = EchoSlowlyReq { payload: "late".into(), delay_ms: 3_600_000 };
//!     let status = client.echo_slowly(&cx(), slow).await.unwrap_err();
//!     assert_eq!(status.code(), Code::DeadlineExceeded);
//!
//!     // A partition: no answer comes any more. The peer is found to be gone within 3 s.
//!     network.partition("echo-1", Partition::FromServer);
//!     let status = client.echo(&cx(), hello()).await.unwrap_err();
//!     assert_eq!(status.code(), Code::Unavailable);
//!
//!     // Healed, it is reached again after the pause between attempts to connect.
//!     network.heal("echo-1");
//!     tokio::time::sleep(Duration::from_secs(2)).await;
//!     assert_eq!(client.echo(&cx(), hello()).await?.payload, "hello");
//!     Ok(())
//! }
//! ```

mod link;
mod network;

pub(crate) use link::Pipe;
pub(crate) use network::Listener;
pub use network::{Network, Partition};
