//! Generates tonic's client and server for the echo contract that all peers serve, without protoc.

use std::error::Error;

/// The same file from which mprpc's echo service is generated.
const PROTO_DIR: &str = "../mprpc/examples/proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_DIR}/echo.proto");
    let descriptors = protox::compile(["echo.proto"], [PROTO_DIR])?;
    tonic_prost_build::configure()
        .bytes(".")
        // The contract has more methods than the one that is measured.
        .generate_default_stubs(true)
        .compile_fds(descriptors)?;
    Ok(())
}
