//! One session with ZooKeeper: requests that end, and the news that it is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use zookeeper_client::{
    Acls, Client, CreateMode, CreateOptions, Error, EventType, MultiWriteError, OneshotWatcher,
    Stat,
};

use super::builder::Config;
use crate::discovery::instance::DATA_BYTES_MAX;

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

/// A session. Every request ends within a bound, and one that takes longer ends the session: the
/// library queues requests without bound while it is not connected.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    request_timeout: Duration,
    /// Cancelled by whoever finds that the session is of no use any more.
    over: CancellationToken,
}

/// Ready when what was watched has changed, or may have.
pub(super) type Watcher = AbortOnDropHandle<()>;

/// A node as it was read.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) data: Vec<u8>,
    pub(super) stat: Stat,
}

impl Session {
    /// Connects to one of the servers within a bound, and makes the root under which all happens.
    pub(super) async fn connect(config: &Config) -> Result<Self, String> {
        let connector = Client::connector()
            .with_session_timeout(config.session_timeout)
            .with_connection_timeout(config.request_timeout)
            // Otherwise it tries for as long as a session lasts, with longer and longer pauses.
            .with_fail_eagerly();
        let servers = u32::try_from(config.hosts.split(',').count()).unwrap_or(u32::MAX);
        let within = config.request_timeout.saturating_mul(servers);
        let client = match timeout(within, connector.connect(&config.hosts)).await {
            Ok(Ok(client)) => client,
            Ok(Err(Error::NoHosts)) => return Err("no server accepts a session".to_owned()),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no session within {} s", within.as_secs_f32())),
        };
        let session = Self {
            client,
            request_timeout: config.request_timeout,
            over: CancellationToken::new(),
        };
        if config.chroot.is_empty() {
            return Ok(session);
        }
        let made = session.make_directory(&config.chroot).await;
        made.map_err(|error| format!("making {}: {error}", config.chroot))?;
        let Self { client, request_timeout, over } = session;
        let client = client
            .chroot(config.chroot.clone())
            .map_err(|_| format!("{} is no path", config.chroot))?;
        Ok(Self { client, request_timeout, over })
    }

    /// The library's view of the session, and of how it changes.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What ephemeral nodes of this session have in them.
    pub(super) fn id(&self) -> i64 {
        self.client.session_id().0
    }

    /// Whether an ephemeral node is of this session.
    pub(super) fn owns(&self, stat: &Stat) -> bool {
        stat.ephemeral_owner == self.id()
    }

    /// Says that the session is of no use any more; another will come.
    pub(super) fn give_up(&self) {
        self.over.cancel();
    }

    /// Whether somebody has said so.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Ready when the session is of no use any more.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    async fn within<T, E: From<Error>>(
        &self,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            // What is left of a session that is over would only use up its time.
            () = self.over() => Err(E::from(Error::ClientClosed)),
            outcome = timeout(self.request_timeout, request) => outcome.unwrap_or_else(|_| {
                self.give_up();
                Err(E::from(Error::Timeout))
            }),
        }
    }

    /// Makes a persistent node and those above it, unless they are there. If the root has gone, the
    /// session is over: the next one makes it.
    pub(super) async fn make_directory(&self, path: &str) -> Result<(), Error> {
        let made = self.within(self.client.mkdir(path, &PERSISTENT)).await;
        if made == Err(Error::NoNode) {
            self.give_up();
        }
        made
    }

    /// Makes an ephemeral node.
    pub(super) async fn announce(&self, path: &str, data: &[u8]) -> Result<(), Error> {
        self.within(self.client.create(path, data, &EPHEMERAL)).await.map(|_| ())
    }

    /// Makes an ephemeral node of our own where another stands, unless that has changed meanwhile.
    /// Nobody sees a moment without a node.
    pub(super) async fn replace(&self, path: &str, version: i32, data: &[u8]) -> Result<(), Error> {
        let mut both = self.client.new_multi_writer();
        both.add_delete(path, Some(version))?;
        both.add_create(path, data, &EPHEMERAL)?;
        let done: Result<_, MultiWriteError> = self.within(both.commit()).await;
        done.map(|_| ()).map_err(|error| match error {
            MultiWriteError::RequestFailed { source }
            | MultiWriteError::OperationFailed { source, .. } => source,
        })
    }

    /// Deletes a node, and says whether it did: not if it has changed since it was read.
    pub(super) async fn delete(&self, path: &str, version: i32) -> Result<bool, Error> {
        match self.within(self.client.delete(path, Some(version))).await {
            Err(Error::NoNode | Error::BadVersion) => Ok(false),
            deleted => deleted.map(|()| true),
        }
    }

    /// A node, if it is there. Of data that is too long to make sense not all is kept.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Node>, Error> {
        match self.within(self.client.get_data(path)).await {
            Ok((data, stat)) => Ok(Some(Node::new(data, stat))),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, and what notifies `edited` when its data has changed. It does so once.
    pub(super) async fn watch_data(
        &self,
        path: &str,
        edited: &Arc<Notify>,
    ) -> Result<Option<(Node, Watcher)>, Error> {
        match self.within(self.client.get_and_watch_data(path)).await {
            Ok((data, stat, watcher)) => {
                let edited = Arc::clone(edited);
                let watching = tokio::spawn(async move {
                    if watcher.changed().await.event_type == EventType::NodeDataChanged {
                        edited.notify_one();
                    }
                });
                Ok(Some((Node::new(data, stat), AbortOnDropHandle::new(watching))))
            }
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of a node's children, none if there is no such node.
    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.within(self.client.list_children(path)).await {
            Err(Error::NoNode) => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// The same, and what tells when they change. It tells once.
    pub(super) async fn watch_children(&self, path: &str) -> Result<(Vec<String>, Watcher), Error> {
        loop {
            match self.within(self.client.list_and_watch_children(path)).await {
                Ok((names, watcher)) => return Ok((names, watching(watcher))),
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
            // It may have come meanwhile; then it is listed after all.
            if let (None, watcher) = self.watch_existence(path).await? {
                return Ok((Vec::new(), watcher));
            }
        }
    }

    /// What stands at `path`, and what tells when that changes. It tells once.
    pub(super) async fn watch_existence(
        &self,
        path: &str,
    ) -> Result<(Option<Stat>, Watcher), Error> {
        let (stat, watcher) = self.within(self.client.check_and_watch_stat(path)).await?;
        Ok((stat, watching(watcher)))
    }
}

impl Node {
    fn new(mut data: Vec<u8>, stat: Stat) -> Self {
        data.truncate(DATA_BYTES_MAX + 1);
        data.shrink_to_fit();
        Self { data, stat }
    }
}

impl AsRef<[u8]> for Node {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// Whether an error is that of one node, rather than that of the session or of the node above.
pub(super) fn is_of_the_node(error: &Error) -> bool {
    matches!(error, Error::NotEmpty | Error::NoAuth | Error::NoChildrenForEphemerals)
}

/// In a task of its own: the library panics in those who wait, should it lose a watcher.
fn watching(watcher: OneshotWatcher) -> Watcher {
    AbortOnDropHandle::new(tokio::spawn(async move {
        watcher.changed().await;
    }))
}
