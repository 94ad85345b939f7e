//! Redis.

use std::path::Path;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::process::Command;

use crate::names::fresh;
use crate::private::{PATIENCE, Server, command, conversation};

/// A Redis that answers, or did. It keeps nothing on disk: one that was killed or stopped comes back
/// empty.
#[derive(Clone, Debug)]
pub struct Redis {
    address: String,
}

impl Redis {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// `redis://host:port/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// What the keys of one test begin with.
    pub fn fresh_prefix(&self) -> String {
        format!("{}:", fresh("keys"))
    }
}

/// A connection of a test. It waits for a slow answer, where the usual half second fails a test on a
/// machine that is busy with others.
///
/// # Errors
/// When nobody listens there, or it is no Redis.
pub async fn redis_connection(client: &Client) -> RedisResult<MultiplexedConnection> {
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&patient).await
}

impl Server for Redis {
    const NAME: &'static str = "redis";
    const PROGRAMS: &'static [&'static str] = &["redis-server"];

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn command(directory: &Path, port: u16) -> Command {
        let mut command = command("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]);
        command.arg(directory.join("data")).args(["--save", "", "--appendonly", "no"]);
        // A replica need not wait for others that may come.
        command.args(["--repl-diskless-sync-delay", "0"]);
        command
    }

    async fn answers(&self) -> Result<(), String> {
        let said = conversation(&self.address, "PING\r\nQUIT\r\n").await?;
        if said.starts_with("+PONG") { Ok(()) } else { Err(said) }
    }
}
