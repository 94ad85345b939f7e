//! An instance's own nodes: made on every session, held, and deleted before it leaves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zookeeper_client::Error;

use super::classic::ClassicNodes;
use super::core::Core;
use super::layout;
use super::session::{Node, Session};
use crate::ServiceDescriptor;
use crate::discovery::instance::{Instance, node_name};
use crate::discovery::probe::Answer;
use crate::discovery::{Endpoint, IdTaken};

/// The pause after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause before a node is looked at again that changed while it was looked at.
const AGAIN: Duration = Duration::from_millis(50);

/// Keeps the nodes of one instance of one service.
pub(super) struct Announcement {
    core: Arc<Core>,
    endpoint: Endpoint,
    /// Where it listens.
    address: SocketAddr,
    /// `/mprpc/{service}`.
    parent: String,
    /// The node below it.
    path: String,
    data: Vec<u8>,
    /// The nodes of the original's layout, where it can name this instance.
    classic: Option<ClassicNodes>,
}

/// Why an instance does not stand in the registry.
enum Failure {
    /// It may with the next try.
    Request(Error),
    /// It must not.
    Taken(IdTaken),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}

/// Whose node it is that stands where ours belongs.
enum Owner {
    /// Ours, of this session.
    Us,
    /// Ours of a session before, or it makes no sense.
    Former,
    /// That of an instance elsewhere.
    Other(SocketAddr),
}

impl Announcement {
    pub(super) fn new(
        core: Arc<Core>,
        service: &'static ServiceDescriptor,
        endpoint: Endpoint,
        address: SocketAddr,
    ) -> Self {
        let parent = layout::instances(service);
        let path = layout::below(&parent, &node_name(&endpoint.id));
        let data = Instance::ours(&endpoint, address, core.started_ms).encode();
        let classic = ClassicNodes::new(&core, service, address);
        Self { core, endpoint, address, parent, path, data, classic }
    }

    /// Keeps the nodes until `leave`, then deletes them and tells `left`. Ends early, and tells
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
        // Without a session nothing can be deleted, and the nodes go with the one that was lost.
        if let Some(session) = self.core.session_now()
            && let Err(error) = self.withdraw(&session).await
        {
            tracing::debug!(path = self.path, %error, "deleting the own nodes failed");
        }
        // Whether or not anybody waits.
        let _ = left.send(());
    }

    /// The classic nodes go first: otherwise others would for a moment take the instance for one
    /// that speaks nothing else.
    async fn withdraw(&self, session: &Session) -> Result<(), Error> {
        if let Some(classic) = &self.classic {
            classic.withdraw(session).await?;
        }
        session.withdraw(&self.path, &self.data).await
    }

    async fn stand_for_ever(&self) -> IdTaken {
        let mut failing = false;
        loop {
            let session = self.core.session().await;
            let outcome = tokio::select! {
                outcome = self.stand(&session, &mut failing) => outcome,
                () = session.over() => Ok(()),
            };
            match outcome {
                Ok(()) => {}
                Err(Failure::Taken(taken)) => return taken,
                Err(Failure::Request(error)) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(path = self.path, %error, "registering failed; trying again");
                }
                Err(Failure::Request(_)) => {}
            }
            tokio::select! {
                () = session.over() => {}
                () = sleep(PAUSE.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
            }
        }
    }

    /// Makes the nodes and holds them; ends only when that fails.
    async fn stand(&self, session: &Session, failing: &mut bool) -> Result<(), Failure> {
        session.make_directory(&self.parent).await?;
        self.take_place(session).await?;
        if let Some(classic) = &self.classic {
            classic.make_directory(session).await?;
        }
        if std::mem::replace(failing, false) {
            tracing::info!(path = self.path, "registered after all");
        }
        let Some(classic) = &self.classic else {
            return self.hold_place(session).await;
        };
        tokio::select! {
            outcome = self.hold_place(session) => outcome,
            outcome = classic.keep(session) => outcome.map_err(Failure::from),
        }
    }

    /// Makes our node, where need be in the place of our former self or of one that is dead.
    async fn take_place(&self, session: &Session) -> Result<(), Failure> {
        loop {
            match session.announce(&self.path, &self.data).await {
                Err(Error::NodeExists) => {}
                made => return made.map_err(Failure::from),
            }
            let Some(node) = session.read(&self.path).await? else { continue };
            match self.owner(session, &node) {
                Owner::Us => return Ok(()),
                Owner::Former => {}
                Owner::Other(address) => match self.core.probes.follow(address).first().await {
                    Answer::Accepts => return Err(Failure::Taken(self.taken_by(address))),
                    Answer::Refuses | Answer::Unknown => {}
                },
            }
            match session.replace(&self.path, node.stat.version, &self.data).await {
                Err(Error::NoNode | Error::BadVersion | Error::NodeExists) => sleep(AGAIN).await,
                replaced => return replaced.map_err(Failure::from),
            }
        }
    }

    /// Sees to it that our node stays.
    async fn hold_place(&self, session: &Session) -> Result<(), Failure> {
        let mut disputed = false;
        loop {
            let (stat, changed) = session.watch_existence(&self.path).await?;
            if stat.is_some_and(|stat| session.owns(&stat)) {
                // Whether it ended well or not, it is looked at again.
                let _ = changed.await;
                continue;
            }
            let theirs = session.read(&self.path).await?;
            let same =
                theirs.is_some_and(|node| matches!(self.owner(session, &node), Owner::Former));
            if !same {
                self.take_place(session).await?;
                continue;
            }
            // It says what ours would. To fight over it would help nobody.
            if !std::mem::replace(&mut disputed, true) {
                let Endpoint { id, address, .. } = &self.endpoint;
                tracing::warn!(id, %address, "another process announces itself as this one");
            }
            let _ = changed.await;
        }
    }

    fn owner(&self, session: &Session, node: &Node) -> Owner {
        match Instance::decode(&node.data).map(|instance| instance.address()) {
            // Also where it is of this session: that of another server of this process.
            Ok(address) if address != self.address => Owner::Other(address),
            _ if session.owns(&node.stat) => Owner::Us,
            Ok(_) | Err(_) => Owner::Former,
        }
    }

    fn taken_by(&self, address: SocketAddr) -> IdTaken {
        IdTaken { id: self.endpoint.id.clone(), path: self.path.clone(), address }
    }
}
