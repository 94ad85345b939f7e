//! The lines that go out.

use std::{io, thread, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// Lines that wait for a terminal that does not take them; beyond that, who shows waits, and with
/// it the connection.
const WAITING_MAX: usize = 256;

/// How long to wait for the last lines when leaving.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Shows lines. They are written by a thread of their own, since a terminal may stop taking them.
#[derive(Clone)]
pub(crate) struct Screen {
    lines: mpsc::Sender<String>,
    /// Closes when the thread ends.
    ended: watch::Receiver<()>,
}

impl Screen {
    /// `print` writes one line and its end. After an error nothing more is shown.
    pub(crate) fn new(mut print: impl FnMut(String) -> io::Result<()> + Send + 'static) -> Self {
        let (lines, mut to_print) = mpsc::channel(WAITING_MAX);
        let (end, ended) = watch::channel(());
        thread::spawn(move || {
            while let Some(line) = to_print.blocking_recv() {
                if print(line).is_err() {
                    break;
                }
            }
            drop(end);
        });
        Self { lines, ended }
    }

    /// Shows a line, or several.
    pub(crate) async fn show(&self, line: String) {
        // An error means that nobody looks any more; `gone` tells.
        let _ = self.lines.send(line).await;
    }

    /// Until nobody looks any more.
    pub(crate) async fn gone(&self) {
        self.lines.closed().await;
    }

    /// Waits until everything was shown. All other handles must be gone.
    pub(crate) async fn close(self) {
        let Self { lines, mut ended } = self;
        drop(lines);
        // Whoever stopped the terminal's output (Ctrl-S) does not keep the process.
        let _ = timeout(LAST_LINES, ended.changed()).await;
    }
}
