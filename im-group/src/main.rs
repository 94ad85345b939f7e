//! The binary of im-group: see the library for what it does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run("im-group", "MPIM: groups, members, roles", 9013, im_group::start)
}
