//! Generates the messages, traits and clients from the .proto files.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/echo.proto", "proto/hello.proto"], &["proto"])
}
