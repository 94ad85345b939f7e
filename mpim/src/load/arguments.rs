//! What can be asked for on the command line.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;

use super::flow::Pace;
use super::talk::{Shape, Talk};

/// By default pairs of users talk, each as fast as the other one is shown it.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The gateway's text port
    #[arg(long, default_value = "127.0.0.1:6000")]
    pub(super) addr: SocketAddr,
    /// Pairs of a sender and a receiver
    #[arg(long, default_value = "16", value_name = "N")]
    pairs: NonZeroUsize,
    /// Instead of pairs, one group with so many members, all of them connected
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(u32).range(2..), conflicts_with = "pairs")]
    group: Option<u32>,
    /// How many of the group's members send
    #[arg(long, default_value = "1", value_name = "N", requires = "group")]
    senders: NonZeroUsize,
    /// Closed loop: messages of each sender that are sent and not shown to everybody yet
    #[arg(long, default_value = "8", value_name = "N")]
    in_flight: NonZeroU64,
    /// Open loop: messages a second of all senders together, whatever becomes of those before them;
    /// latency counts from when each was due
    #[arg(long, value_name = "PER_SECOND", value_parser = positive, conflicts_with = "in_flight")]
    rate: Option<f64>,
    /// Measured time; a warm-up of a fifth of it, at most 1 s, comes before, and at a rate at most 10 s in which
    /// everybody sends three messages
    #[arg(long, default_value = "10", value_parser = positive)]
    seconds: f64,
    /// Instead of talking, leave so many messages for somebody who is away, and see them come back
    #[arg(long, value_name = "MESSAGES", conflicts_with_all = ["pairs", "group", "in_flight", "rate", "seconds"])]
    backlog: Option<NonZeroU64>,
    /// Instead of talking, open so many logged-in connections and report the memory of each
    #[arg(long, value_name = "N", requires = "pid", conflicts_with_all = ["pairs", "group", "in_flight", "rate", "seconds", "backlog"])]
    idle: Option<NonZeroUsize>,
    /// A server process on this machine, the gateway's: `--idle` reports its resident memory, users who
    /// talk report its CPU time for each message
    #[arg(long, conflicts_with = "backlog")]
    pid: Option<u32>,
    /// Print one line of JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// What they come to.
pub(super) enum Mode {
    Talk(Talk),
    Backlog { count: u64 },
    Idle { count: usize, pid: u32 },
}

impl Arguments {
    pub(super) fn mode(&self) -> Mode {
        if let (Some(count), Some(pid)) = (self.idle, self.pid) {
            return Mode::Idle { count: count.get(), pid };
        }
        if let Some(count) = self.backlog {
            return Mode::Backlog { count: count.get() };
        }
        let shape = match self.group {
            Some(members) => {
                let members = members as usize;
                Shape::Group { members, senders: self.senders.get().min(members) }
            }
            None => Shape::Pairs(self.pairs.get()),
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of users")]
        let pace = match self.rate {
            Some(rate) => Pace::PerSecond(rate / shape.senders() as f64),
            None => Pace::InFlight(self.in_flight.get()),
        };
        Mode::Talk(Talk {
            shape,
            pace,
            measured: Duration::from_secs_f64(self.seconds),
            pid: self.pid,
        })
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (1e-3..1e9).contains(&number) => Ok(number),
        _ => Err("must be a number from 0.001 on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};

    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let command = Arguments::augment_args(Command::new("load").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace());
        let matches = matches.map_err(|error| error.to_string())?;
        Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rate_is_shared_by_all_senders() {
        let Mode::Talk(talk) = parsed("--pairs 4 --rate 1000").unwrap().mode() else {
            panic!("they talk");
        };
        assert_eq!(talk.pace, Pace::PerSecond(250.0));
        let Mode::Talk(talk) = parsed("--group 5 --senders 9").unwrap().mode() else {
            panic!("they talk");
        };
        assert_eq!(talk.shape, Shape::Group { members: 5, senders: 5 });
        assert_eq!(talk.pace, Pace::InFlight(8));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_argument_that_does_not() {
        for (line, said) in [
            ("--rate 0", "--rate"),
            ("--rate 1e-9", "--rate"),
            ("--rate 5 --in-flight 8", "--in-flight"),
            ("--group 1", "--group"),
            ("--group 10 --pairs 3", "--pairs"),
            ("--idle 10", "--pid"),
            ("--pairs 0", "--pairs"),
            ("--seconds 0", "--seconds"),
            ("--backlog 10 --seconds 3", "--seconds"),
        ] {
            let error = parsed(line).map(drop).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
