//! tonic: gRPC over HTTP/2, generated from the same `echo.proto` as mprpc's service.

use std::net::SocketAddr;

use bytes::Bytes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::{Load, Peer};
use crate::load::Caller;
use crate::report::announce;

use generated::echo_service_client::EchoServiceClient;
use generated::echo_service_server::{EchoService, EchoServiceServer};
use generated::{EchoReq, EchoResp};

#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod generated {
    tonic::include_proto!("echo");
}

struct EchoServer;

#[tonic::async_trait]
impl EchoService for EchoServer {
    async fn echo(&self, request: Request<EchoReq>) -> Result<Response<EchoResp>, Status> {
        Ok(Response::new(EchoResp { payload: request.into_inner().payload }))
    }
}

pub(super) struct Tonic;

impl Peer for Tonic {
    type Connection = EchoServiceClient<Channel>;

    async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
        let incoming = TcpIncoming::bind(listen)?.with_nodelay(Some(true));
        announce(incoming.local_addr()?)?;
        let service = EchoServiceServer::new(EchoServer);
        Ok(Server::builder().serve_with_incoming(service, incoming).await?)
    }

    async fn connect(load: &Load, index: usize) -> anyhow::Result<Self::Connection> {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", load.addr(index)?))?.tcp_nodelay(true);
        Ok(EchoServiceClient::new(endpoint.connect().await?))
    }
}

impl Caller for EchoServiceClient<Channel> {
    async fn call(&mut self, payload: Bytes) -> anyhow::Result<Bytes> {
        Ok(self.echo(EchoReq { payload }).await?.into_inner().payload)
    }
}
