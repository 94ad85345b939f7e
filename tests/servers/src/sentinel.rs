//! A Redis with a replica, and three sentinels that watch over both.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::private::{LOOK, PATIENCE, PAUSE, Private, Server, command};
use crate::{PrivateRedis, Redis};

/// What the sentinels call the master.
const MASTER: &str = "mpim";

/// One who watches, or did.
#[derive(Clone, Debug)]
pub struct Sentinel {
    address: String,
}

impl Server for Sentinel {
    const NAME: &'static str = "redis";
    const PROGRAMS: &'static [&'static str] = &["redis-server"];

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn command(directory: &Path, _port: u16) -> Command {
        let mut command = command("redis-server");
        command.arg(directory.join("sentinel.conf")).arg("--sentinel");
        command
    }

    async fn answers(&self) -> Result<(), String> {
        says(&self.address, "PING", "+PONG").await
    }
}

/// Two servers of one test, of which the sentinels choose the master. One that was killed comes back
/// empty, and takes itself for a master until it is told that it is none.
#[derive(Debug)]
pub struct WatchedRedis {
    servers: [PrivateRedis; 2],
    sentinels: [Private<Sentinel>; 3],
}

impl WatchedRedis {
    /// Starts all of them, and waits until the master may fail. `None` when Redis is not installed.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start() -> Option<Self> {
        let servers = [PrivateRedis::start().await?, PrivateRedis::start().await?];
        let prepared = Private::<Sentinel>::prepared;
        let mut sentinels = [prepared()?, prepared()?, prepared()?];
        let of_the_master = format!("127.0.0.1 {}", servers[0].port());
        let follow = format!("REPLICAOF {of_the_master}");
        let follows = says(&servers[1].address(), &follow, "+OK").await;
        follows.expect("the second server can be made a replica");
        is_so("the replica has what the master has", async || {
            says(&servers[1].address(), "INFO replication", "master_link_status:up").await
        })
        .await;
        for sentinel in &mut sentinels {
            let config = format!(
                "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} {of_the_master} 2\n\
                 sentinel down-after-milliseconds {MASTER} 2000\n\
                 sentinel failover-timeout {MASTER} 10000\n",
                sentinel.port(),
                sentinel.directory().join("data").display(),
            );
            sentinel.write("sentinel.conf", &config);
            sentinel.start_again().await;
        }
        let watched = Self { servers, sentinels };
        watched.may_fail().await;
        Some(watched)
    }

    /// `redis-sentinel://host:port,host:port,host:port/0#mpim`
    pub fn url(&self) -> String {
        let sentinels = self.sentinels.each_ref().map(Private::address).join(",");
        format!("redis-sentinel://{sentinels}/0#{MASTER}")
    }

    /// Which server all sentinels call the master, once it knows it, too.
    ///
    /// # Panics
    /// When they do not agree for long.
    pub async fn master(&self) -> usize {
        is_so("all sentinels name the master", async || {
            for (index, server) in self.servers.iter().enumerate() {
                if self.is_master(server).await.is_ok() {
                    return Ok(index);
                }
            }
            Err("none".to_owned())
        })
        .await
    }

    async fn is_master(&self, server: &PrivateRedis) -> Result<(), String> {
        let port = format!("\r\n{}\r\n", server.port());
        let question = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}");
        for sentinel in &self.sentinels {
            says(&sentinel.address(), &question, &port).await?;
        }
        says(&server.address(), "ROLE", "master").await
    }

    /// Waits until the master may fail: the other server has what it has, and the sentinels know each
    /// other and that.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn may_fail(&self) {
        is_so("the master may fail", async || {
            let master = self.master().await;
            says(&self.servers[1 - master].address(), "ROLE", "connected").await?;
            for sentinel in &self.sentinels {
                let address = sentinel.address();
                let replicas = format!("SENTINEL REPLICAS {MASTER}");
                says(&address, &replicas, "master-link-status\r\n$2\r\nok\r\n").await?;
                says(&address, &format!("SENTINEL CKQUORUM {MASTER}"), "OK 3 usable").await?;
            }
            Ok(())
        })
        .await;
    }

    /// What one can ask of a server beyond starting and stopping.
    pub fn redis(&self, index: usize) -> &Redis {
        self.servers[index].server()
    }

    /// One of the two, to be stopped, killed or frozen.
    pub fn server(&mut self, index: usize) -> &mut PrivateRedis {
        &mut self.servers[index]
    }

    /// Freezes those who watch, or lets them go on.
    pub fn freeze_sentinels(&self, freeze: bool) {
        for sentinel in &self.sentinels {
            if freeze {
                sentinel.pause();
            } else {
                sentinel.resume();
            }
        }
    }
}

/// Whether a server's answer to a command has something in it; else the answer.
async fn says(address: &str, command: &str, what: &str) -> Result<(), String> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        // Sentinels do not know how to quit.
        stream.shutdown().await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        std::io::Result::Ok(said)
    };
    match timeout(LOOK, talk).await {
        Ok(Ok(said)) if said.contains(what) => Ok(()),
        seen => Err(format!("{command}: {seen:?}")),
    }
}

async fn is_so<T>(what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = match look().await {
            Ok(seen) => return seen,
            Err(seen) => seen,
        };
        assert!(Instant::now() < deadline, "{what}: not yet, {seen}");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_is_the_master_when_it_dies_and_it_comes_back_as_a_replica() {
        let Some(mut redis) = WatchedRedis::start().await else { return };
        let first = redis.master().await;
        redis.server(first).kill().await;
        let second = redis.master().await;
        assert_ne!(first, second);
        redis.server(first).start_again().await;
        redis.may_fail().await;
        assert_eq!(redis.master().await, second);
    }
}
