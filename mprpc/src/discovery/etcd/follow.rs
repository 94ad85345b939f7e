//! The listing of one service: from keys to what is listed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Core;
use super::gateway::Failed;
use super::keys::{self, Range};
use crate::ServiceDescriptor;
use crate::discovery::Listing;
use crate::discovery::announce::jittered;
use crate::discovery::believed::Believed;
use crate::discovery::instance;
use crate::discovery::junk::Junk;
use crate::discovery::snapshot::Snapshot;

/// How often the keys are read although no watch has told of a change: it finds what a connection
/// that is dead and does not know it has missed.
const RELIST: Duration = Duration::from_secs(30);

/// The pause after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What changes within this time is read at once.
const TOGETHER: Duration = Duration::from_millis(20);

/// Follows one service for as long as the registry lives.
pub(super) async fn follow(
    core: Arc<Core>,
    service: &'static ServiceDescriptor,
    listing: watch::Sender<Listing>,
) {
    let directory = core.config.snapshots.as_deref();
    let snapshot =
        directory.map(|directory| Snapshot::new(directory, service, core.config.origin()));
    let mut believed = Believed::new(service.full_name, core.probes.clone(), snapshot, listing);
    let mut junk = Junk::new("etcd");
    let parent = parent(&core, service);
    let mut failing = false;
    loop {
        let failed = match list(&core, &parent, &mut believed, &mut junk).await {
            Ok(revision) => {
                if std::mem::replace(&mut failing, false) {
                    tracing::info!(parent, "etcd is there again");
                }
                let watch = keys::watch_below(&parent, revision.saturating_add(1));
                let changed = timeout(jittered(RELIST), core.gateway.changed(&watch));
                believed.meanwhile(changed).await.unwrap_or(Ok(())).err()
            }
            Err(failed) => Some(failed),
        };
        if let Some(error) = failed {
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!(parent, %error, "etcd does not answer; calls go on with the last list");
            }
            believed.meanwhile(sleep(jittered(PAUSE))).await;
        } else {
            believed.meanwhile(sleep(TOGETHER)).await;
        }
    }
}

/// Where the instances of a service stand.
pub(super) fn parent(core: &Core, service: &ServiceDescriptor) -> String {
    format!("{}/mprpc/{}", core.config.root, service.full_name)
}

/// Reads what stands there, and says as of when.
async fn list(
    core: &Core,
    parent: &str,
    believed: &mut Believed,
    junk: &mut Junk,
) -> Result<i64, Failed> {
    let range = keys::range_below(parent);
    let mut range: Range = believed.meanwhile(core.gateway.ask("/v3/kv/range", &range)).await?;
    range.kvs.sort_by_key(|kv| kv.create_revision);
    let named: Vec<_> = range
        .kvs
        .iter()
        .map(|kv| (String::from_utf8_lossy(&kv.key).into_owned(), kv.value.as_slice()))
        .collect();
    let nodes = named.iter().map(|(key, value)| {
        let name = key.strip_prefix(parent).and_then(|name| name.strip_prefix('/'));
        (name.unwrap_or(key), *value)
    });
    let mut nonsense = Vec::new();
    let by_address = instance::by_address(parent, nodes, &mut nonsense);
    if range.more {
        let what = format!("there are more than {} keys; the rest is ignored", keys::KEYS_MAX);
        nonsense.push((parent.to_owned(), what));
    }
    junk.is(nonsense);
    believed.listed(by_address.into_values().collect(), true).await;
    Ok(range.header.revision)
}
