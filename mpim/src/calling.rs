//! How a subcommand calls a service of a fleet that runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use mprpc::{Channel, ClientTls, Token};

/// Where the services that are started here have their token unless they are told otherwise.
const TOKEN_FILE: &str = "data/service.token";

/// What a service wants to know of who calls it.
#[derive(Args, Debug)]
pub(crate) struct Calling {
    /// The token that services know each other by: their `service.token_file` [default:
    /// data/service.token, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities that services are believed by: their `service.tls.ca_file`; the service is then
    /// called in TLS
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The name that the service's certificate is for: `service.tls.server_name` [default: its address]
    #[arg(long, global = true, value_name = "NAME", requires = "ca_file")]
    server_name: Option<String>,
}

impl Calling {
    /// The way to a service. Nothing is dialled yet.
    ///
    /// # Errors
    /// The token or the authorities cannot be read.
    pub(crate) fn channel(&self, address: SocketAddr) -> anyhow::Result<Channel> {
        let channel = Channel::builder(format!("static://{address}"));
        let here = || Some(PathBuf::from(TOKEN_FILE)).filter(|path| path.exists());
        let channel = match self.token_file.clone().or_else(here) {
            Some(path) => channel.token(&Token::file(path)?),
            None => channel,
        };
        let Some(ca_file) = &self.ca_file else { return Ok(channel.build()?) };
        let mut tls = ClientTls::load(ca_file, None)?;
        if let Some(name) = &self.server_name {
            tls = tls.name(name)?;
        }
        Ok(channel.tls(&tls).build()?)
    }
}
