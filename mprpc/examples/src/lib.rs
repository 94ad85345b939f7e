//! The echo service: what the examples show and the tests and benches of mprpc call.

#![expect(missing_docs, reason = "generated from echo.proto, which carries the documentation")]

mod echo;

pub use echo::Echo;

mprpc::include_proto!("echo");
