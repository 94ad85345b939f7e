//! The server at the other end of a client's connection, and complaints about what it sends.

use std::sync::Arc;

use crate::server::Complaints;
use crate::{Address, Code, Status};

/// See the module. Clones share what was complained of.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: Address,
    complaints: Arc<Complaints>,
}

impl Peer {
    /// Nothing was said of it yet.
    pub(crate) fn new(address: Address) -> Self {
        Self { address, complaints: Arc::new(Complaints::new()) }
    }

    /// A connection to it has ended with `status`, which is [`Code::Internal`] where the server broke
    /// the protocol, and nowhere else.
    pub(super) fn ended(&self, wire: &'static str, status: &Status) {
        let peer = &self.address;
        if status.code() != Code::Internal {
            tracing::debug!(%peer, %status, "connection ended");
            return;
        }
        metrics::counter!("mprpc_client_protocol_errors_total", "wire" => wire).increment(1);
        if let Some(unlogged) = self.complaints.next() {
            let reason = status.message();
            tracing::warn!(%peer, wire, ?reason, unlogged, "connection closed");
        }
    }
}
