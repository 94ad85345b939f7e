//! The echo servers and clients that are compared, behind one shape.
//!
//! Each peer is set up the way its own documentation shows, except that all of them get
//! `TCP_NODELAY`: without it a lone call would measure the kernel's delayed acknowledgement.

mod mprpc;
mod tarpc;
mod tcp;
mod tonic;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::ValueEnum;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::load::{Caller, Tally, Window, Work, all_slots, merge_all};
use crate::pace::Pace;
use crate::report::announce;

/// What speaks between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Our own framework.
    Mprpc,
    /// Google's `tarpc`, bincode over TCP.
    Tarpc,
    /// gRPC over HTTP/2.
    Tonic,
    /// Bytes sent back as they come: no frames, no calls, the ceiling of the machine.
    Tcp,
}

/// Which wire mprpc uses as a client. Its server tells them apart by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    /// Multiplexed: many calls in flight on a connection.
    V2,
    /// The original's: one call at a time on a connection, connections from a pool.
    Classic,
}

/// Where the echo servers of a run are.
#[derive(Clone, Debug)]
pub enum Callee {
    /// Servers that are called directly: each connection is to one of them, in turn.
    Addresses(Vec<SocketAddr>),
    /// Those that a target of mprpc leads to, through discovery and a balancer.
    Target(String),
}

/// One run against echo servers.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the server listens.
    pub callee: Callee,
    /// Connections to open; never more than `in_flight`.
    pub connections: usize,
    /// Calls in flight, over all connections.
    pub in_flight: usize,
    /// Bytes in each request.
    pub payload: usize,
    /// Measured time, without the warm-up.
    pub measured: Duration,
    /// Used by mprpc only.
    pub wire: Wire,
    /// How many of a hundred calls the server is to sleep for.
    pub slow_percent: u8,
    /// How long it sleeps then.
    pub slow_for: Duration,
    /// How many calls are made in a second, as long as no more than `in_flight` are; nothing: each
    /// as soon as that before it has ended.
    pub per_second: Option<f64>,
}

/// One echo server and the client for it.
trait Peer: Send + Sync + 'static {
    /// An open connection.
    type Connection: Connection;

    /// Serves until dropped; calls [`announce`] once it listens.
    fn serve(listen: SocketAddr) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Opens the connection with this index.
    fn connect(
        load: &Load,
        index: usize,
    ) -> impl Future<Output = anyhow::Result<Self::Connection>> + Send;
}

/// A connection under load.
trait Connection: Send + 'static {
    /// Keeps `in_flight` calls in flight until the window ends.
    fn drive(self, in_flight: usize, work: Work) -> impl Future<Output = Tally> + Send + 'static;
}

impl<C: Caller> Connection for C {
    fn drive(self, in_flight: usize, work: Work) -> impl Future<Output = Tally> + Send + 'static {
        all_slots(self, in_flight, work)
    }
}

impl Load {
    /// Where the connection with this index goes, for peers that know no other way.
    fn addr(&self, index: usize) -> anyhow::Result<SocketAddr> {
        match &self.callee {
            Callee::Addresses(all) => {
                all.get(index % all.len().max(1)).copied().context("no address")
            }
            Callee::Target(target) => anyhow::bail!("only mprpc knows targets such as {target}"),
        }
    }
}

/// Listens and serves each connection in a task of its own, until dropped.
async fn accept_each<F>(
    listen: SocketAddr,
    serve: impl Fn(TcpStream) -> F + Send,
) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await?;
    announce(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn dial(addr: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Runs the echo server of `protocol` until the future is dropped.
///
/// # Errors
/// When the address cannot be bound or accepting fails.
pub async fn serve(protocol: Protocol, listen: SocketAddr) -> anyhow::Result<()> {
    match protocol {
        Protocol::Mprpc => mprpc::Mprpc::serve(listen).await,
        Protocol::Tarpc => tarpc::Tarpc::serve(listen).await,
        Protocol::Tonic => tonic::Tonic::serve(listen).await,
        Protocol::Tcp => tcp::Tcp::serve(listen).await,
    }
}

/// Runs mprpc's echo server until `shutdown` is ready, announced in the ZooKeeper at these hosts if
/// any are given, on `threads` threads of its own unless that is 0.
///
/// # Errors
/// When the address cannot be bound, or the hosts make no sense.
pub async fn serve_mprpc(
    listen: SocketAddr,
    zookeeper: Option<&str>,
    threads: usize,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    mprpc::serve(listen, zookeeper, threads, shutdown).await
}

/// Runs one load and returns what was seen, with the window it was seen in.
///
/// # Errors
/// When a connection cannot be opened. Failed calls are counted, not returned.
pub async fn run(protocol: Protocol, load: &Load) -> anyhow::Result<(Tally, Window)> {
    match protocol {
        Protocol::Mprpc => run_peer::<mprpc::Mprpc>(load).await,
        Protocol::Tarpc => run_peer::<tarpc::Tarpc>(load).await,
        Protocol::Tonic => run_peer::<tonic::Tonic>(load).await,
        Protocol::Tcp => run_peer::<tcp::Tcp>(load).await,
    }
}

async fn run_peer<P: Peer>(load: &Load) -> anyhow::Result<(Tally, Window)> {
    anyhow::ensure!(
        load.connections > 0 && load.in_flight > 0 && load.payload > 0,
        "nothing to do"
    );
    // Leaked, so that a clone is two words and no shared reference count: the peers are measured,
    // not the contention on our payload.
    let payload = Bytes::from_static(vec![b'x'; load.payload].leak());
    let connections = load.connections.min(load.in_flight);
    let mut open = Vec::with_capacity(connections);
    for index in 0..connections {
        let connection = P::connect(load, index).await;
        open.push(connection.with_context(|| format!("connecting to {:?}", load.callee))?);
    }
    let window = Window::starting_now(load.measured);
    let Load { slow_percent, slow_for, .. } = *load;
    let pace = load.per_second.map(|per_second| Pace::start(per_second, window.end));
    let work = Work { payload, slow_percent, slow_for, window, pace };
    let mut running = JoinSet::new();
    for (index, connection) in open.into_iter().enumerate() {
        let slots = share(load.in_flight, connections, index);
        running.spawn(connection.drive(slots, work.clone()));
    }
    Ok((merge_all(running).await, window))
}

/// The part of `total` that falls to number `index` of `parts`, as even as it gets.
fn share(total: usize, parts: usize, index: usize) -> usize {
    total / parts + usize::from(index < total % parts)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_shares_add_up_to_the_calls_in_flight() {
        for (total, parts) in [(1, 1), (64, 8), (65, 8), (512, 7)] {
            assert_eq!((0..parts).map(|index| share(total, parts, index)).sum::<usize>(), total);
        }
    }
}
