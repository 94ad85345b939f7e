//! What stands under a path, as it changes. One watch serves all who follow the path.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use zookeeper_client::Error;

use super::core::Core;
use super::layout;
use super::session::{Node, Session, Watcher};
use crate::discovery::announce::jittered;

/// How often a path is listed although no watch has told of a change. Only a belt: it finds what a
/// lost watch has missed.
const RELIST: Duration = Duration::from_secs(30);

/// The pause after a listing that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What is edited within this time is read at once.
const TOGETHER: Duration = Duration::from_millis(20);

/// Nodes read at once.
const READS_MAX: usize = 32;

/// Nodes read of one path: far more than a service has instances, and few enough to be held.
const CHILDREN_MAX: usize = 4096;

/// The nodes under a path by their names.
pub(super) type Children = Arc<HashMap<String, Node>>;

/// The children of a path; nothing before they were listed once.
pub(super) type Followed = watch::Receiver<Option<Children>>;

/// The paths that are followed.
#[derive(Debug, Default)]
pub(super) struct Paths(Mutex<HashMap<String, Followed>>);

impl Paths {
    /// Follows the children of `path` for as long as the registry lives.
    pub(super) fn follow(&self, core: &Arc<Core>, path: &str) -> Followed {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followed) = paths.get(path) {
            return followed.clone();
        }
        let (sender, followed) = watch::channel(None);
        paths.insert(path.to_owned(), followed.clone());
        core.spawn(follow(Arc::clone(core), path.to_owned(), sender));
        followed
    }
}

async fn follow(core: Arc<Core>, path: String, children: watch::Sender<Option<Children>>) {
    let mut path = Path::new(path, children);
    loop {
        let session = core.session().await;
        if let Err(error) = path.follow_on(&session).await {
            let (path, failing) = (&path.path, &mut path.failing);
            if !std::mem::replace(failing, true) {
                tracing::warn!(path, %error, "listing failed; trying again");
            }
        }
        // The session may be as good as new: what failed may be this request only.
        tokio::select! {
            () = session.over() => {}
            () = sleep(jittered(PAUSE)) => {}
        }
    }
}

/// A path that is followed, and what was said of it.
struct Path {
    path: String,
    children: watch::Sender<Option<Children>>,
    failing: bool,
    too_many: bool,
    /// The names of nodes that may not be read.
    secret: HashSet<String>,
    /// Nodes whose data is watched, by their names.
    watched: HashMap<String, Watched>,
    /// Told when one of them has changed.
    edited: Arc<Notify>,
}

/// A node whose data is watched.
struct Watched {
    /// When it was last changed, as ZooKeeper counts: with another count the watch is used up.
    mzxid: i64,
    watcher: Watcher,
}

/// A node as it was read, and the watch that was set with that.
type Read = (Node, Option<Watched>);

impl Path {
    fn new(path: String, children: watch::Sender<Option<Children>>) -> Self {
        Self {
            path,
            children,
            failing: false,
            too_many: false,
            secret: HashSet::new(),
            watched: HashMap::new(),
            edited: Arc::default(),
        }
    }

    /// Follows it on one session. A watch is used up before the next is set: dropping one would
    /// take a moment, in which it might take the next with it.
    async fn follow_on(&mut self, session: &Session) -> Result<(), Error> {
        // Those are of the session before.
        self.watched.clear();
        loop {
            let (names, mut changed) = session.watch_children(&self.path).await?;
            self.read(session, names).await?;
            let mut relist = Instant::now() + jittered(RELIST);
            loop {
                tokio::select! {
                    _ = &mut changed => break,
                    () = session.over() => return Ok(()),
                    () = self.edited.notified() => sleep(TOGETHER).await,
                    () = sleep_until(relist) => {}
                }
                let names = session.children(&self.path).await?;
                self.read(session, names).await?;
                relist = Instant::now() + jittered(RELIST);
            }
        }
    }

    /// Tells what stands there now.
    async fn read(&mut self, session: &Session, mut names: Vec<String>) -> Result<(), Error> {
        let (path, nodes) = (&self.path, names.len());
        let too_many = nodes > CHILDREN_MAX;
        if too_many {
            if !self.too_many {
                tracing::warn!(path, nodes, CHILDREN_MAX, "too many nodes; the rest is ignored");
                metrics::counter!("mprpc_registry_junk_total", "registry" => "zookeeper")
                    .increment(1);
            }
            names.sort();
            names.truncate(CHILDREN_MAX);
        }
        self.too_many = too_many;
        let (children, secret) = self.read_each(session, names).await?;
        let path = &self.path;
        for name in secret.difference(&self.secret) {
            tracing::warn!(path, name, "a node may not be read; ignored");
            metrics::counter!("mprpc_registry_junk_total", "registry" => "zookeeper").increment(1);
        }
        self.secret = secret;
        self.children.send_replace(Some(Arc::new(children)));
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!(path, "listed after all");
        }
        Ok(())
    }
    /// Reads the nodes, but for those that have gone meanwhile, and says which may not be read.
    async fn read_each(
        &mut self,
        session: &Session,
        names: Vec<String>,
    ) -> Result<(HashMap<String, Node>, HashSet<String>), Error> {
        let reads = names.into_iter().map(|name| async {
            let read = self.read_one(session, &name).await;
            (name, read)
        });
        let read: Vec<_> = stream::iter(reads).buffer_unordered(READS_MAX).collect().await;
        let (mut children, mut secret) = (HashMap::new(), HashSet::new());
        for (name, node) in read {
            match node {
                Ok(Some((node, watched))) => {
                    if let Some(watched) = watched {
                        self.watched.insert(name.clone(), watched);
                    }
                    children.insert(name, node);
                }
                Ok(None) => {}
                Err(Error::NoAuth) => {
                    secret.insert(name);
                }
                Err(error) => return Err(error),
            }
        }
        self.watched.retain(|name, _| children.contains_key(name));
        Ok((children, secret))
    }

    /// Reads a node, and watches its data unless that is watched: a watch tells once. That of a node
    /// which was changed has told before the change can be read.
    async fn read_one(&self, session: &Session, name: &str) -> Result<Option<Read>, Error> {
        let path = layout::below(&self.path, name);
        if let Some(watched) = self.watched.get(name)
            && !watched.watcher.is_finished()
        {
            match session.read(&path).await? {
                Some(node) if node.stat.mzxid == watched.mzxid => return Ok(Some((node, None))),
                _ => {}
            }
        }
        let read = session.watch_data(&path, &self.edited).await?;
        Ok(read.map(|(node, watcher)| {
            let mzxid = node.stat.mzxid;
            (node, Some(Watched { mzxid, watcher }))
        }))
    }
}
