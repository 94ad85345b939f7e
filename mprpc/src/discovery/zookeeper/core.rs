//! What the tasks of one registry share.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::builder::Config;
use super::children::{Followed, Paths};
use super::session::Session;
use super::sessions::Current;
use crate::discovery::probe::Probes;

/// What the tasks of one registry share. They end when its last handle is gone.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) probes: Probes,
    /// When this process began to use the registry, in milliseconds since 1970.
    pub(super) started_ms: u64,
    current: Current,
    paths: Paths,
    gone: CancellationToken,
}

impl Core {
    pub(super) fn new(config: Config, current: Current, gone: CancellationToken) -> Self {
        let (probes, paths) = (Probes::default(), Paths::default());
        Self { config, probes, started_ms: now_ms(), current, paths, gone }
    }

    /// Runs a task until the registry is gone.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let gone = self.gone.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = gone.cancelled() => {}
            }
        });
    }

    /// Tells when the last handle of the registry is gone.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// The session of the moment, or the next one.
    pub(super) async fn session(&self) -> Arc<Session> {
        let mut current = self.current.clone();
        if let Ok(session) = current.wait_for(is_of_use).await
            && let Some(session) = session.clone()
        {
            return session;
        }
        // Nobody makes sessions any more: this task is about to be ended.
        std::future::pending().await
    }

    /// What stands under `path`, as it changes.
    pub(super) fn follow(self: &Arc<Self>, path: &str) -> Followed {
        self.paths.follow(self, path)
    }
}

fn is_of_use(session: &Option<Arc<Session>>) -> bool {
    session.as_ref().is_some_and(|session| !session.is_over())
}

#[expect(clippy::disallowed_methods, reason = "shown to people; nothing here depends on it")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
