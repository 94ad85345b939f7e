//! The one signal that ends things.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ended at once: 128 + SIGINT, as shells count.
pub(super) const EXIT_FORCED: i32 = 130;

/// Tells every task of a service to finish. Clones are the same signal; once triggered, it stays so.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A signal that nobody has triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers when the process receives SIGINT or SIGTERM. A second one ends the process at once
    /// with exit code 130: whoever sends it does not want to wait for what is in flight.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals(self) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                }
            };
            let name = next().await;
            tracing::info!(signal = name, "shutting down; a second signal exits at once");
            shutdown.trigger();
            let name = next().await;
            tracing::warn!(signal = name, "exiting at once");
            std::process::exit(EXIT_FORCED);
        });
        Ok(self)
    }

    /// Starts the end. Calling it again changes nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Waits for the trigger. Cancel safe.
    pub async fn triggered(&self) {
        self.0.cancelled().await;
    }

    /// Waits for the trigger without borrowing, for a server's `serve(shutdown)`. Cancel safe.
    pub fn into_triggered(self) -> impl Future<Output = ()> + Send + 'static {
        self.0.cancelled_owned()
    }

    /// Whether it was triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }
}
