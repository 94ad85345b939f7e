//! The binary of im-gateway; all of it is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run(
        "im-gateway",
        "MPIM: client connections, sessions and pushes",
        9014,
        im_gateway::start,
    )
}
