//! tarpc: bincode in length-delimited frames over TCP, one task per request on the server.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::context;
use tarpc::serde_transport as transport;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;

use super::{Load, Peer, accept_each, dial};
use crate::load::Caller;

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
        accept_each(listen, |stream| {
            let framed = LengthDelimitedCodec::builder().new_framed(stream);
            let channel = BaseChannel::with_defaults(transport::new(framed, Bincode::default()));
            channel.execute(EchoServer.serve()).for_each(|answer| async {
                tokio::spawn(answer);
            })
        })
        .await
    }

    async fn connect(load: &Load, index: usize) -> anyhow::Result<EchoClient> {
        let framed = LengthDelimitedCodec::builder().new_framed(dial(load.addr(index)?).await?);
        let transport = transport::new(framed, Bincode::default());
        Ok(EchoClient::new(tarpc::client::Config::default(), transport).spawn())
    }
}

impl Caller for EchoClient {
    async fn call(&mut self, payload: Bytes) -> anyhow::Result<Bytes> {
        // The context carries tarpc's default deadline of 10 s.
        Ok(self.echo(context::current(), payload).await?)
    }
}
