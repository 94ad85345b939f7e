//! Three ZooKeepers that agree with each other.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::private::conversation;
use crate::{PrivateZooKeeper, free_address};

/// How long an election may take. Far above what it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// An ensemble of one test: it goes on while one of its three servers is away.
#[derive(Debug)]
pub struct ZooKeeperEnsemble {
    servers: [PrivateZooKeeper; 3],
}

impl ZooKeeperEnsemble {
    /// Starts one and waits until it has a leader. `None` when ZooKeeper is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let prepared = PrivateZooKeeper::prepared;
        let mut ensemble = Self { servers: [prepared()?, prepared()?, prepared()?] };
        let peers = [(); 3].map(|()| [free_address(), free_address()]);
        for (number, server) in (1..).zip(&ensemble.servers) {
            server.add_to_config(&members(&peers));
            server.write("data/myid", &format!("{number}\n"));
        }
        // None of them serves before another is there.
        let [one, two, three] = &mut ensemble.servers;
        tokio::join!(one.start_again(), two.start_again(), three.start_again());
        ensemble.leader().await;
        Some(ensemble)
    }

    /// `host:port,host:port,host:port`
    pub fn hosts(&self) -> String {
        self.servers.each_ref().map(PrivateZooKeeper::address).join(",")
    }

    /// The server that leads, once there is one.
    ///
    /// # Panics
    /// When there is none for long.
    pub async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (index, server) in self.servers.iter().enumerate() {
                let said = conversation(&server.address(), "srvr").await;
                if said.is_ok_and(|said| said.contains("Mode: leader")) {
                    return index;
                }
            }
            assert!(Instant::now() < deadline, "nobody leads");
            sleep(PAUSE).await;
        }
    }

    /// One of them, to be stopped, killed or frozen.
    pub fn server(&mut self, index: usize) -> &mut PrivateZooKeeper {
        &mut self.servers[index]
    }
}

/// What each must know of all.
fn members(peers: &[[SocketAddr; 2]; 3]) -> String {
    // The limits are in ticks, and far above what a busy machine needs.
    let mut config = "initLimit=60\nsyncLimit=20\n".to_owned();
    for (number, [follow, elect]) in (1..).zip(peers) {
        let (follow, elect) = (follow.port(), elect.port());
        let written = writeln!(config, "server.{number}=127.0.0.1:{follow}:{elect}");
        written.expect("a string can be written to");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_leads_when_the_leader_dies_and_it_may_come_back() {
        let Some(mut ensemble) = ZooKeeperEnsemble::start().await else { return };
        let first = ensemble.leader().await;
        ensemble.server(first).kill().await;
        let second = ensemble.leader().await;
        assert_ne!(first, second);
        ensemble.server(first).start_again().await;
        assert_eq!(ensemble.leader().await, second);
    }
}
