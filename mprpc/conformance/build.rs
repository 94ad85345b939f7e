//! Generates the messages, the trait and the client of the service that the cases call.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/conformance.proto"], &["proto"])
}
