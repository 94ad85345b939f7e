//! etcd.

use std::path::Path;

use tokio::process::Command;

use crate::free_address;
use crate::private::{Server, command, conversation};

/// An etcd that answers, or did.
#[derive(Clone, Debug)]
pub struct Etcd {
    address: String,
}

impl Etcd {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }
}

impl Server for Etcd {
    const NAME: &'static str = "etcd";
    const PROGRAMS: &'static [&'static str] = &["etcd"];

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn prepare(directory: &Path, _port: u16) {
        // Its own, for others of an ensemble that it does not have.
        let peers = free_address().to_string();
        std::fs::write(directory.join("peers"), peers).expect("a file can be written");
    }

    fn command(directory: &Path, port: u16) -> Command {
        let peers = std::fs::read_to_string(directory.join("peers")).expect("it was written");
        let (clients, peers) = (format!("http://127.0.0.1:{port}"), format!("http://{peers}"));
        let mut command = command("etcd");
        command.arg("--data-dir").arg(directory.join("data"));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        command
    }

    async fn answers(&self) -> Result<(), String> {
        let request = "GET /health HTTP/1.0\r\n\r\n";
        let said = conversation(&self.address, request).await?;
        if said.contains("\"true\"") { Ok(()) } else { Err(said) }
    }
}
