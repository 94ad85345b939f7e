//! The binary of MPIM: see the library for what it does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run_with_tools(
        "mpim",
        "MPIM, an instant-messaging server: without a subcommand, all five services in one process",
        9010,
        vec![mpim::load(), mpim::dead_letters(), mpim::cert(), mpim::token_key(), mpim::admin()],
        mpim::start,
    )
}
