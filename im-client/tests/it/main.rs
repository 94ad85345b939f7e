//! The client against a server that the test plays by hand.
#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod failures;
mod reconnect;
mod requests;
mod server;
mod terminal;
