//! One address before several servers, as a load balancer has it.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::free_address;

/// Listens, and gives each connection to the next server that takes it. Ends when it is dropped, with
/// all connections.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// At an address of its own, before servers of which some may be down.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn before(servers: Vec<SocketAddr>) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).await.expect("nobody else has the address");
        Self { address, accepting: tokio::spawn(accept(listener, servers)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, mut servers: Vec<SocketAddr>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        connections.spawn(pass(client, servers.clone()));
        servers.rotate_left(1);
        while connections.try_join_next().is_some() {}
    }
}

/// What one of them says goes to the other, until one of them is gone.
async fn pass(mut client: TcpStream, servers: Vec<SocketAddr>) {
    for server in servers {
        if let Ok(mut server) = TcpStream::connect(server).await {
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
