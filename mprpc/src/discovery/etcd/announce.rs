//! An instance's own key: made with a lease, held, and deleted before it leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Core;
use super::follow::{jittered, parent};
use super::gateway::Failed;
use super::keys::{self, Done, KeptAlive, KeyValue, Lease, Range, Txn};
use crate::ServiceDescriptor;
use crate::discovery::instance::{Instance, node_name};
use crate::discovery::probe::Answer;
use crate::discovery::{Endpoint, IdTaken};

/// The pause after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause before a key is looked at again that changed while it was looked at.
const AGAIN: Duration = Duration::from_millis(50);

/// Keeps the key of one instance of one service.
pub(super) struct Announcement {
    core: Arc<Core>,
    endpoint: Endpoint,
    /// Where it listens.
    address: SocketAddr,
    key: String,
    value: Vec<u8>,
}

/// Why an instance does not stand in the registry.
enum Failure {
    /// It may with the next try.
    Request(Failed),
    /// It must not.
    Taken(IdTaken),
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        Self::Request(failed)
    }
}

impl Announcement {
    pub(super) fn new(
        core: Arc<Core>,
        service: &'static ServiceDescriptor,
        endpoint: Endpoint,
        address: SocketAddr,
    ) -> Self {
        let key = format!("{}/{}", parent(&core, service), node_name(&endpoint.id));
        let value = Instance::ours(&endpoint, address, started_ms()).encode();
        Self { core, endpoint, address, key, value }
    }

    /// Keeps the key until `leave`, then deletes it and tells `left`. Ends early, and tells
    /// `refused`, if the id belongs to another instance that lives.
    pub(super) async fn keep(
        self,
        leave: CancellationToken,
        refused: watch::Sender<Option<IdTaken>>,
        left: oneshot::Sender<()>,
    ) {
        tokio::select! {
            taken = self.stand_for_ever() => {
                let Endpoint { id, address, .. } = &self.endpoint;
                tracing::error!(id, %address, error = %taken, "two instances with one id");
                refused.send_replace(Some(taken));
                leave.cancelled().await;
            }
            () = leave.cancelled() => {}
        }
        if let Err(error) = self.withdraw().await {
            tracing::debug!(key = self.key, %error, "deleting the own key failed");
        }
        // Whether or not anybody waits.
        let _ = left.send(());
    }

    async fn stand_for_ever(&self) -> IdTaken {
        let mut failing = false;
        loop {
            match self.stand(&mut failing).await {
                Ok(()) => {}
                Err(Failure::Taken(taken)) => return taken,
                Err(Failure::Request(error)) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(key = self.key, %error, "registering failed; trying again");
                }
                Err(Failure::Request(_)) => {}
            }
            sleep(jittered(PAUSE)).await;
        }
    }

    /// Makes the key with a new lease and holds both; ends when either has gone.
    async fn stand(&self, failing: &mut bool) -> Result<(), Failure> {
        let wish = json!({"TTL": self.core.config.lease.as_secs().max(1).to_string()});
        let lease: Lease = self.core.gateway.ask("/v3/lease/grant", &wish).await?;
        self.take_place(lease.id).await?;
        if std::mem::replace(failing, false) {
            tracing::info!(key = self.key, "registered after all");
        }
        loop {
            sleep(jittered(self.core.config.lease / 3)).await;
            let alive = json!({"ID": lease.id.to_string()});
            let alive: KeptAlive = self.core.gateway.ask("/v3/lease/keepalive", &alive).await?;
            let stands = self.read().await?.is_some_and(|kv| kv.lease == lease.id);
            if alive.result.seconds <= 0 || !stands {
                return Ok(());
            }
        }
    }

    /// Makes our key, where need be in the place of our former self or of one that is dead.
    async fn take_place(&self, lease: i64) -> Result<(), Failure> {
        loop {
            let standing = self.read().await?;
            let revision = standing.as_ref().map_or(0, |kv| kv.mod_revision);
            let other = standing.and_then(|kv| Instance::decode(&kv.value).ok());
            if let Some(address) = other.map(|other| other.address())
                && address != self.address
                && self.core.probes.follow(address).first().await == Answer::Accepts
            {
                let (id, path) = (self.endpoint.id.clone(), self.key.clone());
                return Err(Failure::Taken(IdTaken { id, path, address }));
            }
            let put = keys::put_if(&self.key, revision, &self.value, lease);
            let put: Txn = self.core.gateway.ask("/v3/kv/txn", &put).await?;
            if put.succeeded {
                return Ok(());
            }
            sleep(AGAIN).await;
        }
    }

    /// Deletes the key, if it says what ours does.
    async fn withdraw(&self) -> Result<(), Failed> {
        let Some(kv) = self.read().await? else { return Ok(()) };
        if kv.value == self.value {
            let delete = keys::delete_if(&self.key, kv.mod_revision);
            let _: Txn = self.core.gateway.ask("/v3/kv/txn", &delete).await?;
            let revoke = json!({"ID": kv.lease.to_string()});
            let _: Done = self.core.gateway.ask("/v3/lease/revoke", &revoke).await?;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<KeyValue>, Failed> {
        let range: Range =
            self.core.gateway.ask("/v3/kv/range", &keys::range_of(&self.key)).await?;
        Ok(range.kvs.into_iter().next())
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to people; nothing here depends on it")]
fn started_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
