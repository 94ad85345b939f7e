//! The default: pushes each gateway's entries to it over mprpc. Its answer is the confirmation.

use std::io;
use std::time::Duration;

use mpim_proto::{PushReq, gateway_service};
use mprpc::{Code, Context};
use tokio::net::TcpStream;

use super::carrier::{Carrier, Carriers, Failure};
use crate::connections::Gateways;
use crate::routing::Gateway;

/// How long it may take to find out that nobody listens at an address.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// Reaches gateways at the addresses that they gave.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) gateways: Gateways,
    /// How long one push may take.
    pub(crate) timeout: Duration,
}

impl Carriers for Direct {
    type Carrier = DirectCarrier;

    fn to(&self, gateway: &Gateway) -> Option<DirectCarrier> {
        let client = self.gateways.client(gateway)?;
        Some(DirectCarrier { client, addr: gateway.addr.clone(), timeout: self.timeout })
    }
}

/// The way to one gateway.
#[derive(Debug)]
pub(crate) struct DirectCarrier {
    client: gateway_service::Client,
    addr: String,
    timeout: Duration,
}

impl Carrier for DirectCarrier {
    const CONFIRMS: bool = true;

    async fn carry(&self, push: PushReq) -> Result<u32, Failure> {
        match self.client.push(&Context::with_timeout(self.timeout), push).await {
            Ok(answer) if answer.result.as_ref().is_some_and(mpim_proto::Result::is_ok) => {
                Ok(answer.reached)
            }
            // Another boot answers at this address.
            Ok(_) => Err(Failure::Gone),
            Err(status) if status.code() == Code::Unavailable && refuses(&self.addr).await => {
                Err(Failure::Gone)
            }
            Err(status) => Err(Failure::Failed(status.to_string())),
        }
    }
}

/// Whether connections are refused there: only then is it certain that the process is gone. One that
/// is frozen, or beyond a broken network, may still have its sessions, and with routes that several
/// instances share it is not for one of them to end them.
async fn refuses(addr: &str) -> bool {
    let connected = tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(addr)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}
