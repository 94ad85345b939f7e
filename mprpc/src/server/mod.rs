//! The server: one port, both wires.

mod at_work;
mod bound;
mod builder;
mod complaints;
mod connections;
mod greeting;
mod handle;
mod services;
mod stack;
mod threads;

pub(crate) use at_work::Places;
pub use bound::{BoundServer, ServeError};
pub use builder::{Server, ServerBuilder, ServerError};
pub(crate) use complaints::Complaints;
pub(crate) use connections::Connections;
pub use handle::{ServerHandle, ServerState};
pub(crate) use services::{Method, Services};
pub(crate) use stack::{Arrival, Watch};
