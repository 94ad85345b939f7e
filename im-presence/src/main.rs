//! The binary of im-presence; all of it is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run(
        "im-presence",
        "MPIM: who is connected where, and delivery to gateways",
        9012,
        im_presence::start,
    )
}
