//! im-presence as its callers see it: started on a free port, with gateways that are fakes.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod devices;
mod ended;
mod events;
mod gateway;
mod original;
mod parts;
mod redis;
mod service;
