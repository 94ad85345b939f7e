//! `mpim token-key`: the next key that signs tokens.
//!
//! Every im-user that reads the directory knows the key within seconds, and signs with it a minute later
//! (`token.activate_s`). Nobody is logged out.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, Subcommand};
use im_common::Clock;
use im_common::service_main::Tool;

use crate::acting;

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Make one in the directory that im-user reads (`token.keys_dir`), and say what it is called
    New {
        /// The directory, for example data/user/token.keys
        directory: PathBuf,
    },
}

/// The subcommand.
pub fn tool() -> Tool {
    let command = Arguments::augment_args(Command::new("token-key"));
    Tool { command: command.about("Make the next key that signs tokens"), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    acting::run("token-key", matches, |Arguments { action: Action::New { directory } }| {
        let path = im_user::make_token_key(&directory, &Clock::system())?;
        Ok(writeln!(io::stdout(), "{}", path.display())?)
    })
}
