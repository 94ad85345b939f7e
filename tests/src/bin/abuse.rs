//! Harms a gateway, for as long as it runs: see `mpim_tests::Abuse`. Whoever uses the gateway meanwhile is
//! measured by other programs.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::net::SocketAddr;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use mpim_tests::{Abuse, Doors};
use tokio::signal::unix::{SignalKind, signal};

/// Misbehaves until SIGTERM or Ctrl-C, and then says how often, as one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "abuse")]
struct Arguments {
    /// How.
    #[arg(value_parser = PossibleValuesParser::new(Abuse::ALL.map(Abuse::name)))]
    how: String,
    /// The gateway's port for text lines.
    #[arg(long)]
    text: SocketAddr,
    /// That for frames.
    #[arg(long)]
    frames: SocketAddr,
    /// That for HTTP.
    #[arg(long)]
    http: SocketAddr,
}

// One thread: it must not take a core from the server that others are measured at.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let Arguments { how, text, frames, http } = Arguments::parse();
    let mut term = signal(SignalKind::terminate())?;
    let mut crowds = Vec::new();
    for abuse in Abuse::ALL {
        if abuse.name() == how {
            crowds.push(abuse.begin(Doors { text, frames, http }));
        }
    }
    println!("misbehaving");
    tokio::select! {
        _ = term.recv() => {}
        ended = tokio::signal::ctrl_c() => ended?,
    }
    for crowd in &crowds {
        let (connections, answers) = crowd.counts();
        println!("{{\"connections\":{connections},\"answers\":{answers}}}");
    }
    Ok(())
}
