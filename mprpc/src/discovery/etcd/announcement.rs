//! An instance's own key: made with a lease, held, and deleted before it leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Core;
use super::follow::parent;
use super::gateway::Failed;
use super::keys::{self, Done, KeptAlive, KeyValue, Lease, Range, Txn};
use crate::ServiceDescriptor;
use crate::discovery::Endpoint;
use crate::discovery::announce::{Failure, Maker, Own, Place, jittered, take_out};
use crate::discovery::instance::Instance;

/// The time for a request of one who leaves: a fifth of the time for leaving, so that a server which
/// hangs does not use it up.
const LEAVING_TIMEOUT: Duration = Duration::from_millis(400);

/// The lease of a key that has none.
const NONE: i64 = 0;

/// Keeps the key of one instance of one service.
pub(super) struct Announcement {
    core: Arc<Core>,
    own: Own,
    started_ms: u64,
    /// The lease that was had last, if any: there is one at a time.
    lease: AtomicI64,
}

/// A lease, and the time for a request under it.
pub(super) struct Tenure {
    lease: i64,
    request_timeout: Duration,
}

impl Announcement {
    pub(super) fn new(
        core: Arc<Core>,
        service: &'static ServiceDescriptor,
        endpoint: &Endpoint,
        address: SocketAddr,
    ) -> Self {
        let (started_ms, probes) = (started_ms(), core.probes.clone());
        let own = Own::new(endpoint, address, &parent(&core, service), started_ms, probes);
        Self { core, own, started_ms, lease: AtomicI64::new(NONE) }
    }

    /// Whether the lease goes on.
    async fn keep_alive(&self, lease: i64) -> Result<bool, Failed> {
        let alive = json!({"ID": lease.to_string()});
        let alive: KeptAlive = self.core.gateway.ask("/v3/lease/keepalive", &alive).await?;
        Ok(alive.result.seconds > 0)
    }

    /// Whether an operator has put this in the place of what we said, without our lease.
    fn is_edited(&self, standing: &KeyValue) -> bool {
        let ours = |said: Instance| said.is_of(self.own.address, self.started_ms);
        standing.lease == NONE && Instance::decode(&standing.value).is_ok_and(ours)
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        tenure: &Tenure,
        path: &str,
        body: &Value,
    ) -> Result<A, Failed> {
        self.core.gateway.ask_within(tenure.request_timeout, path, body).await
    }
}

impl Place for Announcement {
    type Tenure = Tenure;
    type Entry = KeyValue;
    type Error = Failed;

    fn own(&self) -> &Own {
        &self.own
    }

    async fn tenure(&self) -> Result<Tenure, Failed> {
        let request_timeout = self.core.config.request_timeout;
        let had = self.lease.load(Ordering::Relaxed);
        if had != NONE && self.keep_alive(had).await? {
            return Ok(Tenure { lease: had, request_timeout });
        }
        let wish = json!({"TTL": self.core.config.lease.as_secs().max(1).to_string()});
        let Lease { id: lease } = self.core.gateway.ask("/v3/lease/grant", &wish).await?;
        self.lease.store(lease, Ordering::Relaxed);
        Ok(Tenure { lease, request_timeout })
    }

    async fn read(&self, tenure: &Tenure) -> Result<Option<KeyValue>, Failed> {
        let wish = keys::range_of(&self.own.path);
        let range: Range = self.ask(tenure, "/v3/kv/range", &wish).await?;
        Ok(range.kvs.into_iter().next())
    }

    fn maker(&self, tenure: &Tenure, standing: &KeyValue) -> Maker {
        match standing.lease {
            lease if lease == tenure.lease => Maker::Us,
            // It was ours, or belongs to nobody who lives: it would stand for ever.
            NONE => Maker::UsBefore,
            _ => Maker::Another,
        }
    }

    async fn put(&self, tenure: &Tenure, instead_of: Option<&KeyValue>) -> Result<bool, Failed> {
        let revision = instead_of.map_or(0, |standing| standing.mod_revision);
        let edited = instead_of.filter(|standing| self.is_edited(standing));
        let value = edited.map_or(&self.own.data, |edited| &edited.value);
        let put = keys::put_if(&self.own.path, revision, value, tenure.lease);
        let put: Txn = self.ask(tenure, "/v3/kv/txn", &put).await?;
        Ok(put.succeeded)
    }

    async fn delete(&self, tenure: &Tenure, standing: &KeyValue) -> Result<bool, Failed> {
        let delete = keys::delete_if(&self.own.path, standing.mod_revision);
        let deleted: Txn = self.ask(tenure, "/v3/kv/txn", &delete).await?;
        Ok(deleted.succeeded)
    }

    async fn hold(&self, tenure: &Tenure) -> Result<(), Failure<Failed>> {
        loop {
            sleep(jittered(self.core.config.lease / 3)).await;
            let alive = self.keep_alive(tenure.lease).await?;
            let standing = self.read(tenure).await?;
            if !alive || standing.is_none_or(|standing| standing.lease != tenure.lease) {
                return Ok(());
            }
        }
    }

    /// By deleting the key and then ending the lease: a put that is still under way comes too late
    /// then. Of what a server that is away keeps, the lease is the end in any case.
    async fn withdraw(&self) -> Result<(), Failed> {
        let lease = self.lease.load(Ordering::Relaxed);
        if lease == NONE {
            return Ok(());
        }
        let request_timeout = LEAVING_TIMEOUT.min(self.core.config.request_timeout);
        let tenure = Tenure { lease, request_timeout };
        take_out(self, &tenure).await?;
        let revoke = json!({"ID": lease.to_string()});
        match self.ask(&tenure, "/v3/lease/revoke", &revoke).await {
            // It has ended before.
            Err(failed) if failed.is_not_found() => Ok(()),
            revoked => revoked.map(|Done {}| ()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to people; nothing here depends on it")]
fn started_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
