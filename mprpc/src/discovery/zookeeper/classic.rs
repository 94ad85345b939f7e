//! The nodes by which callers of the original framework find an instance: one for each method, and
//! each names one instance.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use zookeeper_client::{Error, Stat};

use super::children::{Children, Followed};
use super::core::Core;
use super::layout;
use super::session::{Session, is_of_the_node};
use crate::ServiceDescriptor;
use crate::discovery::announce::jittered;
use crate::discovery::probe::{self, Probe};

/// The time in which a change of our own is listed.
const KNOWN_WITHIN: Duration = Duration::from_millis(300);

/// The pause before the node above them is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Sees to it that each method's node names an instance that lives: this one, if it has to be.
pub(super) struct ClassicNodes {
    core: Arc<Core>,
    service: &'static ServiceDescriptor,
    address: SocketAddr,
    data: Vec<u8>,
    /// `/{Service}`.
    parent: String,
    nodes: Followed,
}

/// What was done on one session, and said.
#[derive(Default)]
struct Done {
    /// Methods whose nodes were those of our former self: each is replaced once, since a node that
    /// comes back belongs to another process that takes itself for this one.
    former_selves: HashSet<&'static str>,
    /// Methods whose nodes cannot be claimed.
    blocked: HashSet<&'static str>,
}

/// A method whose node is to be made: where there is none, or one that names this address.
type Claim = (&'static str, Option<SocketAddr>);

/// The methods whose nodes name another instance, by its address.
type Others = BTreeMap<SocketAddr, (Arc<Probe>, Vec<&'static str>)>;

impl ClassicNodes {
    /// Nothing if they are not wanted, or cannot name this instance.
    pub(super) fn new(
        core: &Arc<Core>,
        service: &'static ServiceDescriptor,
        address: SocketAddr,
    ) -> Option<Self> {
        if !core.config.classic {
            return None;
        }
        let Some(data) = layout::encode_classic(address) else {
            let service = service.short_name;
            tracing::info!(service, %address, "the original framework knows IPv4 only");
            return None;
        };
        let parent = layout::methods(service);
        let nodes = core.follow(&parent);
        Some(Self { core: Arc::clone(core), service, address, data, parent, nodes })
    }

    /// Keeps them on one session; ends only when that is of no use, or the node above is missing
    /// again.
    pub(super) async fn keep(&self, session: &Session) -> Result<(), Error> {
        self.make_directory(session).await?;
        let mut nodes = self.nodes.clone();
        let mut done = Done::default();
        loop {
            let known = nodes.wait_for(Option::is_some).await.ok().and_then(|known| known.clone());
            // The registry is gone, and with it this task.
            let Some(children) = known else { return Ok(()) };
            nodes.mark_unchanged();
            let others = self.look(session, &children, &mut done).await?;
            let probes = others.values().map(|(probe, _)| &**probe);
            tokio::select! {
                _ = nodes.changed() => {}
                dead = probe::refusing(probes) => {
                    self.take_over(session, dead, &others, &mut done).await?;
                    // Until it is known here, too, it looks as before.
                    let _ = timeout(KNOWN_WITHIN, nodes.changed()).await;
                }
            }
        }
    }

    /// Makes the node above them, however long that is not allowed: an instance has others, too.
    async fn make_directory(&self, session: &Session) -> Result<(), Error> {
        let path = &self.parent;
        let mut failing = false;
        loop {
            match session.make_directory(path).await {
                Err(error) if is_of_the_node(&error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(path, %error, "the classic nodes cannot be made; trying again");
                    }
                    sleep(jittered(PAUSE)).await;
                }
                made => {
                    if failing && made.is_ok() {
                        tracing::info!(path, "the classic nodes can be made after all");
                    }
                    return made;
                }
            }
        }
    }

    /// Deletes those that name no other and that `made` says this process has made: whatever
    /// becomes of one, the others are tried.
    pub(super) async fn withdraw(
        &self,
        session: &Session,
        made: impl Fn(&Stat) -> bool,
    ) -> Result<(), Error> {
        let methods = self.service.methods.iter();
        let deleted = methods.map(|method| self.delete(session, method, &made));
        join_all(deleted).await.into_iter().collect()
    }

    async fn delete(
        &self,
        session: &Session,
        method: &str,
        made: impl Fn(&Stat) -> bool,
    ) -> Result<(), Error> {
        let path = self.path(method);
        let deleted = async {
            while let Some(node) = session.read(&path).await? {
                // Servers of one process share a session.
                let theirs =
                    layout::decode_classic(&node.data).is_ok_and(|address| address != self.address);
                if theirs || !made(&node.stat) || session.delete(&path, node.stat.version).await? {
                    break;
                }
            }
            Ok(())
        };
        match deleted.await {
            Err(error) if is_of_the_node(&error) => {
                tracing::debug!(path, %error, "a classic node cannot be deleted");
                Ok(())
            }
            deleted => deleted,
        }
    }

    /// Makes the nodes that are missing and replaces those of our former selves.
    async fn look(
        &self,
        session: &Session,
        children: &Children,
        done: &mut Done,
    ) -> Result<Others, Error> {
        let mut others = Others::new();
        let mut missing = Vec::new();
        for &method in self.service.methods {
            let Some(node) = children.get(method) else {
                missing.push((method, None));
                continue;
            };
            if session.owns(&node.stat) {
                continue;
            }
            // One that makes no sense is left alone: whoever put it there may have had a reason.
            let Ok(address) = layout::decode_classic(&node.data) else { continue };
            if address != self.address {
                let probe = || self.core.probes.follow(address);
                others.entry(address).or_insert_with(|| (probe(), Vec::new())).1.push(method);
            } else if done.former_selves.insert(method) {
                missing.push((method, Some(address)));
            }
        }
        self.claim_all(session, missing, done).await?;
        Ok(others)
    }

    /// Replaces the nodes of an owner that refuses connections.
    async fn take_over(
        &self,
        session: &Session,
        dead: SocketAddr,
        others: &Others,
        done: &mut Done,
    ) -> Result<(), Error> {
        let Some((_, methods)) = others.get(&dead) else { return Ok(()) };
        let claims = methods.iter().map(|method| (*method, Some(dead))).collect();
        let taken = self.claim_all(session, claims, done).await?;
        if taken > 0 {
            let service = self.service.short_name;
            tracing::info!(service, owner = %dead, taken, "took over classic nodes of a dead instance");
        }
        Ok(())
    }

    /// Makes the nodes, and says how many became ours. One that cannot be made harms no other.
    async fn claim_all(
        &self,
        session: &Session,
        claims: Vec<Claim>,
        done: &mut Done,
    ) -> Result<usize, Error> {
        let claims = claims
            .into_iter()
            .map(|(method, from)| async move { (method, self.claim(session, method, from).await) });
        let mut ours = 0;
        for (method, outcome) in join_all(claims).await {
            match outcome {
                Ok(claimed) => {
                    ours += usize::from(claimed);
                    if done.blocked.remove(method) {
                        tracing::info!(
                            path = self.path(method),
                            "a classic node is kept after all"
                        );
                    }
                }
                Err(error) if is_of_the_node(&error) => {
                    if done.blocked.insert(method) {
                        let path = self.path(method);
                        tracing::warn!(path, %error, "a classic node cannot be kept; trying again");
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ours)
    }

    /// Makes a method's node where there is none, or one that names `from`, and says whether it did.
    /// Others may be faster.
    async fn claim(
        &self,
        session: &Session,
        method: &str,
        from: Option<SocketAddr>,
    ) -> Result<bool, Error> {
        let path = self.path(method);
        // What is known of it may be old by now.
        let made = match session.read(&path).await? {
            None => session.announce(&path, &self.data).await,
            Some(node) if session.owns(&node.stat) => return Ok(false),
            Some(node) if from.is_some() && layout::decode_classic(&node.data).ok() == from => {
                match session.replace(&path, node.stat.version, &self.data).await {
                    Err(Error::NoNode | Error::BadVersion) => return Ok(false),
                    replaced => replaced,
                }
            }
            Some(_) => return Ok(false),
        };
        match made {
            Err(Error::NodeExists) => Ok(false),
            made => made.map(|()| true),
        }
    }

    fn path(&self, method: &str) -> String {
        layout::below(&self.parent, method)
    }
}
