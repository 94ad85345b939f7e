//! Load through the text gateway: pairs of users who talk, and users who only stay connected.
//!
//! Every user is registered through the gateway under a random name, so a run needs nothing but an
//! address and can be repeated against the same data.

mod connection;
mod idle;
mod pair;

pub use idle::{IdleReport, measure_idle};
pub use pair::{Chat, ChatReport, measure_pairs};
