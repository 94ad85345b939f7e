//! `mpim load`: users who talk as much as they can, or as asked, and what they had to wait for.
//!
//! It speaks text lines to any running gateway and starts nothing itself. Every user is registered under
//! a random name, so a run needs nothing but an address and can be repeated against the same data.
//! Each receiver checks what it is shown: everything once and in order, or the run fails.
//!
//! | module | what |
//! |---|---|
//! | `arguments` | what can be asked for |
//! | `connection` | a user with a connection |
//! | `people` | many of them |
//! | `flow` | one sender's messages: how many there are, and when the next is due |
//! | `stamp` | what a text says about itself |
//! | `member` | one user at work: sends, reads, counts |
//! | `talk` | pairs and groups of them |
//! | `backlog` | one who comes back after many messages |
//! | `idle` | users who say nothing: their memory |
//! | `process` | what Linux says of the server's process |
//! | `tally`, `report` | what was seen, and how it is shown |

mod arguments;
mod backlog;
mod connection;
mod flow;
mod idle;
mod member;
mod people;
mod process;
mod report;
mod stamp;
mod talk;
mod tally;

use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command};
use im_common::service_main::Tool;

use self::arguments::{Arguments, Mode};
use self::report::Show;
use crate::acting;

/// The subcommand.
pub fn tool() -> Tool {
    let command = Arguments::augment_args(Command::new("load"));
    Tool { command: command.about("Put a running gateway under load, and say what it did"), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    // Thousands of connections need as many file descriptors.
    im_common::raise_open_files_limit();
    acting::run("load", matches, |arguments| acting::wait_for(measure(arguments)))
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.mode() {
        Mode::Idle { count, pid } => {
            let report = idle::measure(arguments.addr, count, pid).await?;
            report.print(arguments.json)
        }
        Mode::Backlog { count } => {
            let report = backlog::measure(arguments.addr, count).await?;
            report.print(arguments.json)
        }
        Mode::Talk(talk) => {
            let report = talk::measure(arguments.addr, talk).await?;
            report.print(arguments.json)?;
            match &report.first_error {
                None => Ok(()),
                Some(first) => anyhow::bail!("{} users failed, the first: {first}", report.errors),
            }
        }
    }
}
