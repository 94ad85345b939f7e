//! The multiplexed wire: many calls on one connection, answers in any order.
//!
//! * `frame`: the 12-byte header and the frames, to and from bytes;
//! * `head`: what stands before the message in a request and in an answer;
//! * `client`: the calls of one connection as its client sees them;
//! * `server`: the frames of one connection as its server sees them.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod server;

/// What a client sends first.
pub(crate) const PREFACE: [u8; 4] = *b"MPR2";
