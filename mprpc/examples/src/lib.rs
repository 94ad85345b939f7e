//! The echo service: what the examples show and the tests and benches of mprpc call.

#![expect(missing_docs, reason = "generated from .proto files, which carry the documentation")]

mod echo;

pub use echo::Echo;

mprpc::include_proto!("echo");

/// The service of the quick start in mprpc/README.md.
pub mod hello {
    mprpc::include_proto!("hello");
}
