//! The server: one port, both wires.

mod bound;
mod builder;
mod connections;
mod services;
mod stack;

pub use bound::{BoundServer, ServeError};
pub use builder::{Server, ServerBuilder, ServerError};
pub(crate) use connections::Connections;
pub(crate) use services::{Method, Services};
