//! `mpim dead-letters`: dispatches that im-message has given up on, for an operator to look at.
//!
//! No message is lost with one: it stands in its timeline, and clients find it when they compare heads.
//! Replaying only spares them the wait for that.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, ArgMatches, Args, Command, Subcommand};
use im_common::service_main::Tool;
use mpim_proto::dead_letter_service::Client;
use mpim_proto::{DeadLetter, DropDeadLettersReq, ListDeadLettersReq, ReplayDeadLettersReq};
use mprpc::Context;

use crate::acting;
use crate::calling::Calling;

/// For how long one call may take; a replay calls im-presence.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Letters of one page, and of one call.
const PAGE: i32 = 100;

#[derive(Args, Debug)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The mprpc port of im-message
    #[arg(long, global = true, default_value = "127.0.0.1:8011", value_name = "IP:PORT")]
    message: SocketAddr,
    #[command(flatten)]
    calling: Calling,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Show them, a line each, the oldest first
    List,
    /// Tell gateways of their entries again, and forget those that were told
    Replay(Which),
    /// Forget them; nothing is lost, clients compare heads
    Drop(Which),
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
struct Which {
    /// Their ids
    #[arg(group = "which", value_name = "ID")]
    ids: Vec<i64>,
    /// All that there are
    #[arg(long, group = "which")]
    all: bool,
}

/// The subcommand.
pub fn tool() -> Tool {
    let command = Arguments::augment_args(Command::new("dead-letters"));
    Tool { command: command.about("Look at dispatches that im-message has given up on"), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    acting::run("dead-letters", matches, |arguments| acting::wait_for(act(arguments)))
}

async fn act(arguments: Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.calling.channel(arguments.message)?);
    let mut out = io::stdout().lock();
    match &arguments.action {
        Action::List => {
            let letters = all(&client).await?;
            for letter in &letters {
                writeln!(out, "{}", line(letter))?;
            }
            writeln!(out, "{} dead letters", letters.len())?;
        }
        Action::Replay(which) => {
            let mut replayed = 0;
            for ids in ids(&client, which).await?.chunks(PAGE.unsigned_abs() as usize) {
                let request = ReplayDeadLettersReq { ids: ids.to_vec() };
                let answer = client.replay_dead_letters(&cx(), request).await?;
                replayed += answer.replayed;
                if let Some(refused) = answer.result.filter(|result| !result.is_ok()) {
                    anyhow::bail!("{replayed} replayed, then: {}", refused.msg);
                }
            }
            writeln!(out, "{replayed} replayed")?;
        }
        Action::Drop(which) => {
            let mut dropped = 0;
            for ids in ids(&client, which).await?.chunks(PAGE.unsigned_abs() as usize) {
                let request = DropDeadLettersReq { ids: ids.to_vec() };
                dropped += client.drop_dead_letters(&cx(), request).await?.dropped;
            }
            writeln!(out, "{dropped} dropped")?;
        }
    }
    Ok(())
}

async fn ids(client: &Client, which: &Which) -> anyhow::Result<Vec<i64>> {
    if !which.all {
        return Ok(which.ids.clone());
    }
    Ok(all(client).await?.iter().map(|letter| letter.id).collect())
}

async fn all(client: &Client) -> anyhow::Result<Vec<DeadLetter>> {
    let mut letters: Vec<DeadLetter> = Vec::new();
    loop {
        let after_id = letters.last().map_or(0, |letter| letter.id);
        let request = ListDeadLettersReq { after_id, limit: PAGE };
        let page = client.list_dead_letters(&cx(), request).await?;
        letters.extend(page.letters);
        if !page.more {
            return Ok(letters);
        }
    }
}

fn line(letter: &DeadLetter) -> String {
    let DeadLetter { id, conv_id, first_seq, last_seq, reason, tries, at_ms } = letter;
    format!(
        "id={id} conv={conv_id} seqs={first_seq}..{last_seq} tries={tries} at_ms={at_ms} \
         reason={reason}"
    )
}

fn cx() -> Context {
    Context::with_timeout(TIMEOUT)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let command = Arguments::augment_args(Command::new("dead-letters").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace());
        let matches = matches.map_err(|error| error.to_string())?;
        Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn letters_are_named_or_all_and_the_port_may_come_last() {
        let arguments = parsed("replay 3 4 --message 127.0.0.1:9").unwrap();
        assert_eq!(arguments.message.port(), 9);
        let Action::Replay(Which { ids, all: false }) = arguments.action else { panic!() };
        assert_eq!(ids, [3, 4]);
        assert!(matches!(
            parsed("drop --all").unwrap().action,
            Action::Drop(Which { all: true, .. })
        ));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "replay", "drop 1 --all", "drop x", "list 3", "bury", "list --message x"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
