//! How a subcommand calls a service of a fleet that runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use mprpc::{Channel, Token};

/// Where the services that are started here have their token unless they are told otherwise.
const TOKEN_FILE: &str = "data/service.token";

/// What a service wants to know of who calls it.
#[derive(Args, Debug)]
pub(crate) struct Calling {
    /// The token that services know each other by: their `service.token_file` [default:
    /// data/service.token, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Calling {
    /// The way to a service. Nothing is dialled yet.
    ///
    /// # Errors
    /// The token cannot be read.
    pub(crate) fn channel(&self, address: SocketAddr) -> anyhow::Result<Channel> {
        let channel = Channel::builder(format!("static://{address}"));
        let here = || Some(PathBuf::from(TOKEN_FILE)).filter(|path| path.exists());
        let channel = match self.token_file.clone().or_else(here) {
            Some(path) => channel.token(&Token::file(path)?),
            None => channel,
        };
        Ok(channel.build()?)
    }
}
