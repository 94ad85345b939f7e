//! im-gateway as clients and im-presence see it: a real gateway on free ports, before services that
//! are fakes in this process.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod client;
mod commands;
mod delivery;
mod devices;
mod ended;
mod entry;
mod events;
mod fakes;
mod fan_out;
mod faults;
mod frames;
mod granting;
mod http;
mod lines;
mod log_in;
mod operations;
mod original;
mod receipts;
mod sending;
mod streams;
mod system;
mod web_socket;
