//! Many users at once.

use std::net::SocketAddr;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::connection::{Connection, User};

/// Registrations under way at once; each costs the server a password hash.
const REGISTERING_MAX: usize = 16;

/// Registers so many users, all connected and logged in.
pub(super) async fn register(
    addr: SocketAddr,
    count: usize,
) -> anyhow::Result<Vec<(Connection, User)>> {
    let bar = progress(count as u64, "registering users");
    let mut people = Vec::with_capacity(count);
    let mut registering: JoinSet<anyhow::Result<(Connection, User)>> = JoinSet::new();
    while people.len() < count {
        while registering.len() < REGISTERING_MAX && people.len() + registering.len() < count {
            registering.spawn(Connection::register(addr));
        }
        if let Some(registered) = registering.join_next().await {
            people.push(registered??);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(people)
}

/// Shows on a terminal how far something is; nothing elsewhere.
pub(super) fn progress(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
