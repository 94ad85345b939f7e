//! Generates the health service from gRPC's definition of it.
//!
//! Built like any user's code rather than checked in, so that it cannot fall behind the generator.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/grpc/health/v1/health.proto"], &["proto"])
}
