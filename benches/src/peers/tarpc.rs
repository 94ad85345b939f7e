//! tarpc: bincode in length-delimited frames over TCP, one task per request on the server.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::context;
use tarpc::serde_transport as transport;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tokio::net::{TcpListener, TcpStream};

use super::{Load, Peer};
use crate::load::{Caller, Tally, Window, closed_loop};
use crate::report::announce;

#[tarpc::service]
pub(crate) trait Echo {
    async fn echo(payload: Bytes) -> Bytes;
}

#[derive(Clone)]
struct EchoServer;

impl Echo for EchoServer {
    async fn echo(self, _: context::Context, payload: Bytes) -> Bytes {
        payload
    }
}

pub(super) struct Tarpc;

impl Peer for Tarpc {
    type Connection = EchoClient;

    async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
        let listener = TcpListener::bind(listen).await?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let framed = LengthDelimitedCodec::builder().new_framed(stream);
            let channel = BaseChannel::with_defaults(transport::new(framed, Bincode::default()));
            tokio::spawn(channel.execute(EchoServer.serve()).for_each(|answer| async {
                tokio::spawn(answer);
            }));
        }
    }

    async fn connect(load: &Load) -> anyhow::Result<EchoClient> {
        let stream = TcpStream::connect(load.addr).await?;
        stream.set_nodelay(true)?;
        let framed = LengthDelimitedCodec::builder().new_framed(stream);
        let transport = transport::new(framed, Bincode::default());
        Ok(EchoClient::new(tarpc::client::Config::default(), transport).spawn())
    }

    fn drive(
        connection: EchoClient,
        in_flight: usize,
        payload: Bytes,
        window: Window,
    ) -> impl Future<Output = Tally> + Send + 'static {
        closed_loop(connection, in_flight, payload, window)
    }
}

impl Caller for EchoClient {
    async fn call(&mut self, payload: Bytes) -> anyhow::Result<Bytes> {
        // The context carries tarpc's default deadline of 10 s.
        Ok(self.echo(context::current(), payload).await?)
    }
}
