//! An instance's own nodes: made on every session, held, and deleted before it leaves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use zookeeper_client::{Error, Stat};

use super::classic::ClassicNodes;
use super::core::Core;
use super::layout;
use super::session::{Node, Session, is_of_the_node};
use crate::ServiceDescriptor;
use crate::discovery::Endpoint;
use crate::discovery::announce::{Failure, Maker, Own, Place, take_out, take_place};

/// Sessions that are remembered. The nodes of one that was lost stand for its timeout, and the next
/// is there after 100 ms at the earliest; many are had only where none lives for long.
const SESSIONS_MAX: usize = 64;

/// Keeps the nodes of one instance of one service.
pub(super) struct Announcement {
    core: Arc<Core>,
    own: Own,
    /// `/mprpc/{service}`.
    parent: String,
    /// The nodes of the original's layout, where it can name this instance.
    classic: Option<ClassicNodes>,
    /// On which nodes may have been made, the newest last.
    sessions: Mutex<VecDeque<i64>>,
}

impl Announcement {
    pub(super) fn new(
        core: Arc<Core>,
        service: &'static ServiceDescriptor,
        endpoint: &Endpoint,
        address: SocketAddr,
    ) -> Self {
        let parent = layout::instances(service);
        let own = Own::new(endpoint, address, &parent, core.started_ms, core.probes.clone());
        let classic = ClassicNodes::new(&core, service, address);
        Self { core, own, parent, classic, sessions: Mutex::default() }
    }

    fn made_on(&self, session: &Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.back() != Some(&session.id()) {
            sessions.push_back(session.id());
        }
        if sessions.len() > SESSIONS_MAX {
            sessions.pop_front();
        }
    }

    /// Whether a node was made by this process, on whichever session.
    fn made(&self, stat: &Stat) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.contains(&stat.ephemeral_owner)
    }

    /// Sees to it that our node stays.
    async fn hold_node(&self, session: &Arc<Session>) -> Result<(), Failure<Error>> {
        let (path, address) = (&self.own.path, self.own.address);
        let mut disputed = false;
        loop {
            let (stat, changed) = session.watch_existence(path).await?;
            if stat.is_some_and(|stat| session.owns(&stat)) {
                // Whether it ended well or not, it is looked at again.
                let _ = changed.await;
                continue;
            }
            let theirs = session.read(path).await?;
            let same = theirs.is_some_and(|node| {
                self.own.another(&node.data).is_none() && !session.owns(&node.stat)
            });
            if !same {
                take_place(self, session).await?;
                continue;
            }
            // It says what ours would. To fight over it would help nobody.
            if !std::mem::replace(&mut disputed, true) {
                tracing::warn!(path, %address, "another process announces itself as this one");
            }
            let _ = changed.await;
        }
    }

    async fn hold_classic(&self, session: &Session) -> Result<(), Failure<Error>> {
        match &self.classic {
            Some(classic) => Ok(classic.keep(session).await?),
            None => std::future::pending().await,
        }
    }
}

impl Place for Announcement {
    type Tenure = Arc<Session>;
    type Entry = Node;
    type Error = Error;

    fn own(&self) -> &Own {
        &self.own
    }

    async fn tenure(&self) -> Result<Arc<Session>, Error> {
        let session = self.core.session().await;
        session.make_directory(&self.parent).await?;
        self.made_on(&session);
        Ok(session)
    }

    async fn read(&self, session: &Arc<Session>) -> Result<Option<Node>, Error> {
        session.read(&self.own.path).await
    }

    fn maker(&self, session: &Arc<Session>, node: &Node) -> Maker {
        if session.owns(&node.stat) {
            Maker::Us
        } else if self.made(&node.stat) {
            Maker::UsBefore
        } else {
            Maker::Another
        }
    }

    async fn put(&self, session: &Arc<Session>, instead_of: Option<&Node>) -> Result<bool, Error> {
        let Own { path, data, .. } = &self.own;
        let made = match instead_of {
            // Without a node above it, the next try makes that one, too.
            None => match session.announce(path, data).await {
                Err(Error::NodeExists) => return Ok(false),
                made => made,
            },
            Some(node) => match session.replace(path, node.stat.version, data).await {
                Err(Error::NoNode | Error::BadVersion | Error::NodeExists) => return Ok(false),
                made => made,
            },
        };
        made.map(|()| true)
    }

    async fn delete(&self, session: &Arc<Session>, node: &Node) -> Result<bool, Error> {
        session.delete(&self.own.path, node.stat.version).await
    }

    async fn hold(&self, session: &Arc<Session>) -> Result<(), Failure<Error>> {
        tokio::select! {
            () = session.over() => Ok(()),
            outcome = self.hold_node(session) => outcome,
            outcome = self.hold_classic(session) => outcome,
        }
    }

    /// On the next session, if there is none now: the nodes of one that was lost would stand for as
    /// long as it takes to expire.
    ///
    /// The classic nodes go first: otherwise others would for a moment take the instance for one
    /// that speaks nothing else.
    async fn withdraw(&self) -> Result<(), Error> {
        let session = self.core.session().await;
        let classic = match &self.classic {
            Some(classic) => classic.withdraw(&session, |stat| self.made(stat)).await,
            None => Ok(()),
        };
        match take_out(self, &session).await {
            // One that may not be read or deleted is not ours.
            Err(error) if is_of_the_node(&error) => classic,
            own => own.and(classic),
        }
    }
}
