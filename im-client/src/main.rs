//! The terminal client.
#![forbid(unsafe_code)]

mod command;
mod terminal;

use anyhow::anyhow;
use clap::Parser;
use im_client::{Client, Options, Server};
use std::{path::PathBuf, process::ExitCode};
use terminal::{Keyboard, Left, Screen};

/// Chat over MPIM from a terminal, or from a script that writes commands into a pipe.
#[derive(Debug, Parser)]
#[command(version, after_help = command::help())]
struct Arguments {
    /// The server: text://HOST:PORT, frames://HOST:PORT or ws://HOST:PORT, behind TLS text+tls://,
    /// frames+tls:// or wss://; without a word, text lines.
    #[arg(short, long, default_value = "127.0.0.1:6000")]
    server: Server,
    /// Behind TLS: trust whom the certificates in this file vouch for, not whom the system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "what the person who started it reads")]
fn main() -> ExitCode {
    let Arguments { server, ca } = Arguments::parse();
    let server = match ca {
        Some(ca) => server.trusting(ca),
        None => server,
    };
    run(server).unwrap_or_else(|error| {
        // Each says its whole reason in one line; how it came here helps nobody who uses it.
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run(server: Server) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow!("cannot start the runtime: {error}"))?
        .block_on(chat(server))
}

async fn chat(server: Server) -> anyhow::Result<ExitCode> {
    let (client, events) = Client::connect(server.clone(), Options::default()).await?;
    let (keyboard, screen) =
        terminal::open().map_err(|error| anyhow!("cannot use the terminal: {error}"))?;
    let left = use_both(&client, events, keyboard, screen.clone(), &server).await;
    screen.close().await;
    Ok(match left {
        Left::Done => ExitCode::SUCCESS,
        // As if the signal had ended the process.
        Left::Interrupted => ExitCode::from(130),
    })
}

async fn use_both(
    client: &Client,
    events: im_client::Events,
    keyboard: Keyboard,
    screen: Screen,
    server: &Server,
) -> Left {
    if keyboard.is_interactive() {
        screen.show(format!("connected to {server}; try help")).await;
    }
    terminal::run(client, events, keyboard, screen).await
}
