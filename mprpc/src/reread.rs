//! What is read from files when a server or a channel is made, and again while it lives.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::server::Complaints;

/// How long what files said is taken for what they say, unless it is said otherwise.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// How long files may take to be read before what they said last is used.
const READ_MAX: Duration = Duration::from_secs(1);

/// A value, read again when it is asked for, at most once in a while. Whoever asks does so for a
/// connection: nothing is done while none are made.
pub(crate) struct Reread<T> {
    value: ArcSwap<T>,
    source: Option<Source<T>>,
}

struct Source<T> {
    /// What it is, for people and for a metric.
    what: &'static str,
    read: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    /// How long what it said is taken for what it says.
    fresh: Duration,
    /// When it was read last. Held while it is read.
    read_at: Arc<Mutex<Instant>>,
    complaints: Complaints,
}

impl<T: PartialEq + Send + Sync + 'static> Reread<T> {
    /// One that stays what it is.
    pub(crate) fn fixed(value: T) -> Arc<Self> {
        Arc::new(Self { value: ArcSwap::from_pointee(value), source: None })
    }

    /// One that was just read, and how it is read.
    pub(crate) fn new(
        what: &'static str,
        value: T,
        fresh: Duration,
        read: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let source = Source {
            what,
            read: Box::new(read),
            fresh,
            read_at: Arc::new(Mutex::new(Instant::now())),
            complaints: Complaints::new(),
        };
        Arc::new(Self { value: ArcSwap::from_pointee(value), source: Some(source) })
    }

    /// What it is now: read anew, unless that was done just now or takes long.
    pub(crate) async fn get(self: &Arc<Self>) -> Arc<T> {
        if let Some(source) = &self.source
            // Somebody is at it: what is known will do.
            && let Ok(mut read_at) = Arc::clone(&source.read_at).try_lock_owned()
            && read_at.elapsed() >= source.fresh
        {
            let this = Arc::clone(self);
            // Goes on by itself when it takes too long, and holds the lock meanwhile, so that no
            // second one begins.
            let reading = tokio::task::spawn_blocking(move || {
                let read = this.read_anew();
                *read_at = Instant::now();
                read
            });
            let failure = match tokio::time::timeout(READ_MAX, reading).await {
                Ok(Ok(read)) => read.err(),
                Ok(Err(stopped)) => Some(stopped.to_string()),
                Err(_) => Some("reading it takes long".to_owned()),
            };
            if let Some(error) = failure {
                source.complain(&error);
            }
        }
        self.value.load_full()
    }

    fn read_anew(&self) -> Result<(), String> {
        let Some(source) = &self.source else { return Ok(()) };
        let value = (source.read)()?;
        if value != **self.value.load() {
            self.value.store(Arc::new(value));
            tracing::info!("the {} changed", source.what);
        }
        Ok(())
    }
}

impl<T> Source<T> {
    fn complain(&self, error: &str) {
        let what = self.what;
        metrics::counter!("mprpc_reread_failures_total", "what" => what).increment(1);
        if let Some(unlogged) = self.complaints.next() {
            tracing::warn!(error, unlogged, "the {what} stays what it was");
        }
    }
}
