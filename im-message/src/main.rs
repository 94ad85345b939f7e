//! The binary of im-message: see the library for what it does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    im_common::service_main::run(
        "im-message",
        "MPIM: conversations, messages, who sees them, and how far each device has come",
        9011,
        im_message::start,
    )
}
