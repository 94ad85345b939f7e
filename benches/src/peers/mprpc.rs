//! mprpc: our own framework, on either of its wires.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use mprpc::discovery::ZooKeeper;
use mprpc::{Channel, Context, Server};
use mprpc_examples::echo_service::{self, Client};
use mprpc_examples::{Echo, EchoReq, EchoSlowlyReq};

use super::{Callee, Load, Peer, Wire};
use crate::load::Caller;
use crate::report::announce;

/// Deadline of each call: tarpc's default.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Mprpc;

impl Peer for Mprpc {
    type Connection = Client;

    async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
        let service = echo_service::serve(Echo);
        let server = Server::builder().add_service(service).bind(listen).await?;
        announce(server.local_addr())?;
        Ok(server.serve(std::future::pending()).await?)
    }

    /// One channel for each connection. On the classic wire, which has one call at a time on a
    /// connection, it gets a pool of one: more calls than connections wait for their turn.
    async fn connect(load: &Load, index: usize) -> anyhow::Result<Client> {
        let target = match (&load.callee, load.wire) {
            (Callee::Target(target), _) => target.clone(),
            (Callee::Addresses(_), Wire::V2) => format!("static://{}", load.addr(index)?),
            (Callee::Addresses(_), Wire::Classic) => {
                format!("static://{}?wire=classic", load.addr(index)?)
            }
        };
        let channel = Channel::builder(target).classic_connections_max(1).build()?;
        let mut client = Client::new(&channel);
        // It connects with its first call.
        client.call(Bytes::from_static(b"hello")).await.context("the first call")?;
        Ok(client)
    }
}

/// Serves until `shutdown` is ready, registered in ZooKeeper and on threads of its own if so wished.
pub(super) async fn serve(
    listen: SocketAddr,
    zookeeper: Option<&str>,
    threads: usize,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut server = Server::builder().add_service(echo_service::serve(Echo)).threads(threads);
    if let Some(hosts) = zookeeper {
        server = server.register(ZooKeeper::builder(hosts).build()?);
    }
    let server = server.bind(listen).await?;
    announce(server.local_addr())?;
    Ok(server.serve(shutdown).await?)
}

impl Caller for Client {
    async fn call(&mut self, payload: Bytes) -> anyhow::Result<Bytes> {
        let cx = Context::with_timeout(CALL_TIMEOUT);
        let answer = self.echo(&cx, EchoReq { payload }).await?;
        Ok(answer.payload)
    }

    async fn call_slowly(&mut self, payload: Bytes, delay: Duration) -> anyhow::Result<Bytes> {
        let cx = Context::with_timeout(CALL_TIMEOUT);
        let delay_ms = u32::try_from(delay.as_millis())?;
        let answer = self.echo_slowly(&cx, EchoSlowlyReq { payload, delay_ms }).await?;
        Ok(answer.payload)
    }
}
