//! gRPC's standard health service, `grpc.health.v1.Health`, which every server serves.
//!
//! Supervisors and load balancers ask it whether to send calls to a server. The empty name stands
//! for the server as a whole, other names for its services:
//!
//! ```
//! use std::time::Duration;
//! use mprpc::health::{self, HealthReporter, ServingStatus};
//! use mprpc::{Channel, Context, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reporter = HealthReporter::new();
//! let server = Server::builder().health(&reporter).bind("127.0.0.1:0".parse()?).await?;
//! let address = server.local_addr();
//! tokio::spawn(server.serve(std::future::pending()));
//!
//! // The database is away: this instance can do nothing for its callers.
//! reporter.set("", ServingStatus::NotServing);
//!
//! let client = health::Client::new(&Channel::builder(format!("static://{address}")).build()?);
//! let cx = Context::with_timeout(Duration::from_secs(1));
//! assert_eq!(client.check(&cx, "").await?, ServingStatus::NotServing);
//! # Ok(())
//! # }
//! ```
//!
//! The service is not announced in registries: it is asked of one server, at its address.

mod client;
mod reporter;

pub use client::{Client, Watching};
pub use reporter::HealthReporter;

/// Whether a service serves, with the numbers of gRPC.
pub use proto::health_check_response::ServingStatus;

/// Generated from `health.proto`.
mod proto {
    #![expect(dead_code, unreachable_pub, reason = "generated, and not public")]

    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}
