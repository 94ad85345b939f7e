//! What all tools do alike: they read what they are asked for, act, and say why that failed.

use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};
use tokio::runtime::Builder;

/// Lets the tool of that name act.
#[expect(clippy::print_stderr, reason = "why a program for people has failed")]
pub(crate) fn run<A: FromArgMatches>(
    name: &str,
    matches: &ArgMatches,
    act: impl FnOnce(A) -> anyhow::Result<()>,
) -> ExitCode {
    let arguments = A::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
    match act(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mpim {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for what it does, on one thread: it needs no more, and must not take a core from a server that it
/// measures.
pub(crate) fn wait_for(act: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(act)
}
