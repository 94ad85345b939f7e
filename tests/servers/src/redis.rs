//! Redis.

use std::path::Path;

use tokio::process::Command;

use crate::names::fresh;
use crate::private::{Server, command, conversation, first_missing};

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

impl Server for Redis {
    const NAME: &'static str = "redis";

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn missing() -> Option<String> {
        first_missing(&["redis-server"])
    }

    fn prepare(_directory: &Path, _port: u16) {}

    fn command(directory: &Path, port: u16) -> Command {
        let mut command = command("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]);
        command.arg(directory.join("data")).args(["--save", "", "--appendonly", "no"]);
        command
    }

    async fn answers(&self) -> Result<(), String> {
        let said = conversation(&self.address, "PING\r\nQUIT\r\n").await?;
        if said.starts_with("+PONG") { Ok(()) } else { Err(said) }
    }
}
