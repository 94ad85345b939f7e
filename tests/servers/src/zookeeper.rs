//! ZooKeeper.

use std::path::Path;

use tokio::process::Command;
use zookeeper_client::{Acls, Client, CreateMode};

use crate::names::fresh;
use crate::private::{Private, Server, conversation, first_missing};

const JARS: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

/// A ZooKeeper that answers, or did. It takes session timeouts of 1 s and more.
#[derive(Clone, Debug)]
pub struct ZooKeeper {
    address: String,
}

impl ZooKeeper {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// `host:port/path` of a node that was just made, for one test.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn fresh_root(&self) -> String {
        let path = format!("/{}", fresh("root"));
        let client = Client::connect(&self.address).await.expect("ZooKeeper takes connections");
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.create(&path, b"", &options).await.expect("a node can be made");
        format!("{}{path}", self.address)
    }

    /// Connections that it has, nodes that end with a session, and watches.
    ///
    /// # Errors
    /// It does not serve.
    pub async fn counts(&self) -> Result<[u64; 3], String> {
        let said = conversation(&self.address, "mntr").await?;
        let count = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.trim().parse().ok()).ok_or_else(|| said.clone())
        };
        let connections = count("zk_num_alive_connections")?;
        Ok([connections, count("zk_ephemerals_count")?, count("zk_watch_count")?])
    }
}

impl Private<ZooKeeper> {
    /// Says more to one that was not started yet.
    pub(crate) fn add_to_config(&self, more: &str) {
        self.write("zoo.cfg", &(config(self.directory(), self.port()) + more));
    }
}

/// What `zoo.cfg` has in it.
fn config(directory: &Path, port: u16) -> String {
    let directory = directory.display();
    format!(
        "tickTime=500\nminSessionTimeout=1000\nmaxSessionTimeout=60000\n\
         dataDir={directory}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n4lw.commands.whitelist=srvr,mntr\nmaxClientCnxns=0\n"
    )
}

impl Server for ZooKeeper {
    const NAME: &'static str = "zookeeper";
    const PROGRAMS: &'static [&'static str] = &["java"];

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn missing() -> Option<String> {
        let jar = JARS.iter().find(|jar| !Path::new(jar).is_file());
        jar.map(|jar| (*jar).to_owned()).or_else(|| first_missing(Self::PROGRAMS))
    }

    fn prepare(directory: &Path, port: u16) {
        let config = config(directory, port);
        std::fs::write(directory.join("zoo.cfg"), config).expect("a file can be written");
    }

    fn command(directory: &Path, _port: u16) -> Command {
        let mut command = crate::private::command("java");
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(JARS.join(":")).arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
        command.arg(directory.join("zoo.cfg"));
        command
    }

    async fn answers(&self) -> Result<(), String> {
        let said = conversation(&self.address, "srvr").await?;
        // While it starts it answers that it does not serve.
        if said.contains("Mode:") { Ok(()) } else { Err(said) }
    }
}
