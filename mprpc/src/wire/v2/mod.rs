//! The multiplexed wire: many calls on one connection, answers in any order.
//!
//! * `frame`: the 12-byte header and the frames, to and from bytes;
//! * `head`: what stands before the message in a request and in an answer;
//! * `client`: the calls of one connection as its client sees them; `slots`: who waits for which;
//!   `arrived`: what comes, read without the connection's lock; `client_output`: what is to be
//!   written;
//! * `server`: the frames of one connection as its server sees them;
//! * `offer`: what a side says of itself; `compression`: messages that are compressed;
//! * `stream`: one stream, and what all of a connection share; `flow`: credit; `waiting`: who waits
//!   for the connection's;
//! * `client_streams`, `server_streams`: the streams of one connection, at either side.

pub(crate) mod arrived;
pub(crate) mod client;
mod client_ends;
mod client_messages;
pub(crate) mod client_output;
mod client_streams;
pub(crate) mod compression;
pub(crate) mod flow;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod offer;
mod pings;
pub(crate) mod server;
pub(crate) mod server_streams;
pub(crate) mod slots;
pub(crate) mod stream;
#[cfg(test)]
mod streams_tests;
mod timed;
mod waiting;

/// How much memory an output keeps when nothing waits in it, in bytes.
pub(crate) const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// What a client sends first.
pub(crate) const PREFACE: [u8; 4] = *b"MPR2";

/// How many methods a client may name on a connection.
pub(crate) const METHODS_MAX: u16 = 4096;

/// The longest path of a method, in bytes: the server keeps those that it is told.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// The longest head of a request, in bytes: its entries take many times as much in memory.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
