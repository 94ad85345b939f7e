//! Calls of a stack's services: the one place that knows how they know who calls.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mpim_proto::{PingReq, health_service};
use mprpc::{Channel, ChannelBuilder, Context, Token};

use super::{LOOK, Service, Stack};

/// Where the services of a stack have their token: from the directory that they are started in, as the
/// shipped files have it. The one process has its data there, too.
const TOKEN_FILE: &str = "data/service.token";

impl Stack {
    /// The file with the token by which the stack's services know each other.
    pub fn token_file(&self) -> PathBuf {
        self.directory().join(TOKEN_FILE)
    }

    /// A channel to `target` that shows the token of the stack's services.
    ///
    /// # Panics
    /// When they have none yet, or the target makes no sense.
    pub fn channel(&self, target: impl fmt::Display) -> Channel {
        let channel = shows_token(self.directory(), Channel::builder(target.to_string()));
        channel.expect("there is a token").build().expect("a target")
    }

    /// A channel to the first instance of a service that shows the token.
    pub fn channel_to(&self, service: Service) -> Channel {
        self.channel(format!("static://{}", self.address(service)))
    }
}

/// A channel that shows the token which the services that run in `directory` have made.
fn shows_token(directory: &Path, channel: ChannelBuilder) -> Result<ChannelBuilder, String> {
    let token = Token::file(directory.join(TOKEN_FILE));
    token.map(|token| channel.token(&token)).map_err(|error| error.to_string())
}

pub(super) async fn ping(directory: &Path, address: SocketAddr) -> Result<(), String> {
    let channel = Channel::builder(format!("static://{address}"));
    let channel = shows_token(directory, channel)?.build();
    let channel = channel.map_err(|error| error.to_string())?;
    let health = health_service::Client::new(&channel);
    let pong = health.ping(&Context::with_timeout(LOOK), PingReq::default()).await;
    pong.map(drop).map_err(|status| format!("{address}: {status}"))
}
