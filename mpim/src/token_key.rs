//! `mpim token-key`: the next key that signs tokens.
//!
//! Every im-user that reads the directory knows the key within seconds, and signs with it a minute later
//! (`token.activate_s`). Nobody is logged out.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches as _, Subcommand};
use im_common::Clock;
use im_common::service_main::Tool;

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

#[expect(clippy::print_stderr, reason = "why a program for people has failed")]
fn run(matches: &ArgMatches) -> ExitCode {
    let arguments = match Arguments::from_arg_matches(matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let Action::New { directory } = arguments.action;
    let made = im_user::make_token_key(&directory, &Clock::system());
    let said = made
        .map_err(anyhow::Error::from)
        .and_then(|path| Ok(writeln!(io::stdout(), "{}", path.display())?));
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mpim token-key: {error:#}");
            ExitCode::FAILURE
        }
    }
}
