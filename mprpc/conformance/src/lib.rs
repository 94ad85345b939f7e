//! Does a server keep to mprpc's v2 wire? The cases of gRPC's interoperability tests, and those
//! that mprpc's promises need, against any server of `mprpc.conformance.TestService`
//! (`proto/conformance.proto`), whatever it is written in.
//!
//! ```text
//! mprpc-conformance serve --listen 127.0.0.1:8010     # a server to test clients against
//! mprpc-conformance run --target static://127.0.0.1:8010
//! mprpc-conformance run --target static://127.0.0.1:8010 large_unary special_status_message
//! mprpc-conformance list
//! ```
//!
//! `run` prints a line for each case, and ends with 1 when one failed. A server under test takes
//! compressed messages and compresses its own, from a kilobyte or so on.
//!
//! As a library: [`CASES`] against a [`Peer`], and [`TestServer`] to serve.

mod cases;
mod server;

#[expect(
    missing_docs,
    reason = "generated from conformance.proto, which carries the documentation"
)]
mod proto {
    mprpc::include_proto!("mprpc.conformance");
}

pub use cases::{CASES, Case, Failure, Peer, PeerError};
pub use proto::*;
pub use server::TestServer;
