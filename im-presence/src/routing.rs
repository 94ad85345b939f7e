//! Routing: where the sessions of users are connected, and which gateways there are.
//!
//! `RoutingService` is the port [`Routes`] as calls, and what is known without it: the gateways that
//! were heard of. Nobody is told or closed here.

mod heard;
mod messages;
mod roster;
mod routes;
mod service;
mod strategy;

pub(crate) use self::heard::Heard;
pub(crate) use self::messages::{gateway, gateways, reachable};
pub(crate) use self::roster::{Listing, Roster};
#[cfg(test)]
pub(crate) use self::routes::Route;
pub(crate) use self::routes::{
    Gateway, MemoryLimits, MemoryRoutes, RedisLimits, RedisRoutes, Routes,
};
pub(crate) use self::service::{REPLACED, Routing};
pub use self::strategy::Strategy;
