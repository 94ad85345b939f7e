//! What the tests that cross crates share, and where those tests are.
//!
//! A test of one crate lives in that crate. What is here needs the whole: it starts the binaries as
//! a user would, speaks to their ports as a client would, and asserts on what that client sees.
//!
//! * This library is the harness: it builds and starts what it tests on free ports with data
//!   directories of its own, waits for conditions with a deadline (never for a fixed time), and
//!   stops what it started.
//! * `tests/it` is the one binary of integration tests. `tidy` in it holds the rules of the
//!   repository itself: dependency arrows, the length of files, what the documents cite.
//!
//! A failing test prints the end of the log of every process that it started.
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | `admin` | what the admin port of a process says |
//! | `binaries` | builds the programs once per test run, in the profile of the tests |
//! | `wait` | waiting for a condition, with the last state seen in the failure |
//! | `process` | one program: start, kill -9, SIGTERM, its log |
//! | `stack` | [`Stack`]: MPIM as one process, as five, or as a cluster on real servers |
//! | `balancer` | [`Balancer`]: one address before several servers |
//! | `proxy` | [`Proxy`]: a way between two programs that can be made bad |
//! | `http_client` | [`HttpClient`]: the HTTP API over raw sockets |
//! | `text_client` | [`TextClient`]: lines over a raw socket, bad ones included |
//! | `people` | [`Person`]: a registered user with a connection |
//! | `classic_client` | [`ClassicClient`]: the original RPC wire, byte by byte |
//! | `frames_client`, `web_socket_client` | [`FramesClient`], [`WebSocketClient`]: JSON bodies in frames and in envelopes |
//! | `events_client` | [`EventsClient`]: server-sent events |
//! | `ways` | [`Way`], [`Caller`]: one [`Request`] in the words of each protocol |
//! | `walk` | [`hops`]: the hops of a message, out of the logs |
//! | `load` | [`Load`]: talking users that outlive faults and keep a journal |
//! | `journal`, `checker` | [`Run`]: what was sent, acknowledged, shown and stored, and whether L, D, O and S hold |
//! | `abuse` | [`Abuse`]: people who harm others, for the program of that name and for tests |
//! | `chaos` | faults in rounds, for the program of that name and for tests |
#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a harness fails the test that uses it, and says why"
)]

mod abuse;
mod admin;
mod balancer;
mod binaries;
pub mod chaos;
mod checker;
mod classic_client;
mod events_client;
mod frames_client;
mod http_client;
mod journal;
mod load;
mod people;
mod process;
mod proxy;
mod stack;
mod text_client;
mod wait;
mod walk;
mod ways;
mod web_socket_client;

pub use abuse::{Abuse, Crowd, Doors};
pub use admin::{get, is_ready, is_waiting_for};
pub use balancer::Balancer;
pub use binaries::binary;
pub use checker::{Invariant, Violation};
pub use classic_client::{ClassicClient, Fields, Message};
pub use events_client::EventsClient;
pub use frames_client::FramesClient;
pub use http_client::HttpClient;
pub use journal::{
    Attempt, Change, Conversation, Ending, Entry, Journal, Outcome, Read, Receipt, Return, Run,
    Sent, State, Timeline,
};
pub use load::{Load, Talker, Wanderer};
pub use people::{PASSWORD, Person, register_two};
pub use process::Process;
pub use proxy::{Passage, Proxy};
pub use stack::{End, Instance, Layout, Line, Lines, Servers, Service, Stack, StackBuilder};
pub use test_servers::free_address;
pub use text_client::{History, Push, TextClient, WELCOME};
pub use wait::{DEADLINE, until};
pub use walk::{Hop, hops};
pub use ways::{Caller, Peer, Received, Request, Way};
pub use web_socket_client::WebSocketClient;
