//! The binary of im-user: see the library for what it does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run(
        "im-user",
        "MPIM: accounts, log-in, tokens, friends",
        9010,
        im_user::start,
    )
}
