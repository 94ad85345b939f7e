//! A bot: it repeats what it is told, and knows a few commands.
//!
//! ```console
//! $ BOT_PASSWORD=correct-horse cargo run -p im-client --example bot -- --register --user echo
//! $ BOT_KEY=… cargo run -p im-client --example bot -- --server frames://127.0.0.1:6001 --outbox bot.outbox
//! ```
//!
//! In a conversation with one user it answers everything, in a group only its commands. What it answers
//! goes through the outbox: no answer is lost and none is given twice, whatever becomes of the server.
//! A message that it was working on when it was killed comes again, and is answered then.
#![expect(clippy::print_stdout, reason = "what the person who started it reads")]

use anyhow::{Context as _, bail};
use clap::Parser;
use im_client::{Client, Event, Message, Options, Peer, RequestError, Server};
use std::{env, path::PathBuf};

/// Answers everybody who writes to it. The password is in `BOT_PASSWORD`, or an API key in `BOT_KEY`.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server: text://HOST:PORT, frames://HOST:PORT or ws://HOST:PORT, behind TLS text+tls://,
    /// frames+tls:// or wss://.
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    server: Server,
    /// Behind TLS: trust whom the certificates in this file vouch for, not whom the system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The bot's name; with an API key it is not needed.
    #[arg(long)]
    user: Option<String>,
    /// Make the account.
    #[arg(long, requires = "user")]
    register: bool,
    /// Keep answers that are not sent yet in this file.
    #[arg(long)]
    outbox: Option<PathBuf>,
}

/// Stands before what is repeated, so that two bots do not repeat each other for ever.
const ECHO: &str = "echo: ";

const HELP: &str = "!ping, !whoami, !roll [sides], !history, !help; anything else is repeated";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, ca, user, register, outbox } = Arguments::parse();
    let server = match ca {
        Some(ca) => server.trusting(ca),
        None => server,
    };
    let device = Some("bot".to_owned());
    let options = Options { device, outbox_file: outbox, ..Options::default() };
    let (client, mut events) = Client::connect(server, options).await?;
    let me = match (env::var("BOT_KEY"), user) {
        (Ok(key), _) => client.login_with_token(key).await?,
        (Err(_), Some(user)) => {
            let password = env::var("BOT_PASSWORD").context("neither BOT_KEY nor BOT_PASSWORD")?;
            match register {
                true => client.register(user, password).await?,
                false => client.login(user, password).await?,
            }
        }
        (Err(_), None) => bail!("who is it? --user, or BOT_KEY"),
    };
    println!("here I am: uid {me}");
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) if message.from != me => {
                if let Some((to, text)) = answer(&client, me, &message).await {
                    // It is in the outbox before the next event is asked for, and with that the message
                    // counts as dealt with.
                    client.post(to, text).await?;
                }
            }
            Event::Unsent { to, error, .. } => println!("{to} was not told: {error}"),
            Event::Disconnected { reason, .. } => println!("not connected: {reason}"),
            Event::Reconnected { .. } => println!("connected again"),
            Event::SessionClosed { reason } => bail!("the session is over: {reason}"),
            Event::Message(_) | Event::Signal(_) | Event::Stored { .. } => {}
        }
    }
    Ok(())
}

/// What is said to a message, and where.
async fn answer(client: &Client, me: i64, message: &Message) -> Option<(Peer, String)> {
    let place = match message.to {
        Peer::User(_) => Peer::User(message.from),
        group => group,
    };
    let text = message.text.trim();
    let Some(command) = text.strip_prefix('!') else {
        let is_for_it = place != message.to && !text.starts_with(ECHO);
        return is_for_it.then(|| (place, format!("{ECHO}{text}")));
    };
    let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
    let said = match name {
        "ping" => "pong".to_owned(),
        "whoami" => format!("you are uid {}, I am uid {me}", message.from),
        "roll" => roll(argument),
        "history" => history(client, place).await.unwrap_or_else(|error| error.to_string()),
        "help" => HELP.to_owned(),
        _ => format!("I do not know {name:?}. {HELP}"),
    };
    Some((place, said))
}

fn roll(sides: &str) -> String {
    match sides.trim().parse::<u32>() {
        Ok(sides @ 1..) => fastrand::u32(1..=sides).to_string(),
        _ => fastrand::u32(1..=6).to_string(),
    }
}

async fn history(client: &Client, place: Peer) -> Result<String, RequestError> {
    let last = client.recent(place, 100, None).await?;
    Ok(format!("of the last {} messages here {} are mine", last.len(), {
        let me = client.who_am_i().await?;
        last.iter().filter(|message| message.from == me).count()
    }))
}
