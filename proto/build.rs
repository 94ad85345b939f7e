//! Generates the messages, traits and clients from the .proto files.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(
        &[
            "proto/common.proto",
            "proto/health.proto",
            "proto/event.proto",
            "proto/user.proto",
            "proto/group.proto",
            "proto/message.proto",
            "proto/presence.proto",
            "proto/routing.proto",
            "proto/dispatch.proto",
            "proto/connection.proto",
            "proto/gateway.proto",
            "proto/dead_letter.proto",
        ],
        &["proto"],
    )
}
