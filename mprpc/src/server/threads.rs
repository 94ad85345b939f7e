//! Thread per core: threads that each have a runtime and listeners of their own.
//!
//! The kernel deals connections out to the listeners of one address (`SO_REUSEPORT`), by the
//! addresses of both ends. A connection stays on the thread that accepted it, and so does all that
//! its handlers do: no task moves between cores, and no wake-up crosses them.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connections::Acceptor;
use crate::transport::Listener;

/// How long a thread may take to accept the last connections: it has to look once.
const ACCEPT_LAST_MAX: Duration = Duration::from_secs(1);

/// The threads of a server. Dropping this makes them take no more connections; each ends when all
/// connections have.
pub(super) struct Threads {
    begin: CancellationToken,
    stop: DropGuard,
    accepting: TaskTracker,
    running: TaskTracker,
}

/// What a thread works on.
struct Thread {
    listeners: Vec<TcpListener>,
    acceptor: Acceptor,
    begin: CancellationToken,
    stop: CancellationToken,
    accepting: TaskTrackerToken,
}

impl Threads {
    /// Starts one thread for each element of `shards`, which has its listeners. They take no
    /// connections yet.
    ///
    /// # Errors
    /// The system has no more threads or descriptors to give. Those that run stop again.
    pub(super) async fn start(
        shards: Vec<Vec<TcpListener>>,
        acceptor: &Acceptor,
    ) -> io::Result<Self> {
        let (accepting, running) = (TaskTracker::new(), TaskTracker::new());
        let (begin, stop) = (CancellationToken::new(), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let threads = Self { begin: begin.clone(), stop: guard, accepting, running };
        for (number, listeners) in shards.into_iter().enumerate() {
            let (started, starts) = oneshot::channel();
            let thread = Thread {
                listeners,
                acceptor: acceptor.clone(),
                begin: begin.clone(),
                stop: stop.clone(),
                accepting: threads.accepting.token(),
            };
            let runs = threads.running.token();
            std::thread::Builder::new().name(format!("mprpc-{number}")).spawn(move || {
                thread.run(started);
                drop(runs);
            })?;
            starts.await.map_err(io::Error::other)??;
        }
        Ok(threads)
    }

    /// Lets them take connections: the server serves.
    pub(super) fn begin(&self) {
        self.begin.cancel();
    }

    /// Takes in the connections that have been made already, and no more.
    pub(super) async fn stop_accepting(self) -> Running {
        drop(self.stop);
        self.accepting.close();
        // A thread that a handler blocks does not hear of it.
        let _ = tokio::time::timeout(ACCEPT_LAST_MAX, self.accepting.wait()).await;
        Running(self.running)
    }
}

/// Threads that accept no more.
pub(super) struct Running(TaskTracker);

impl Running {
    /// Waits until they have ended, which they do when the connections have.
    pub(super) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

impl Thread {
    fn run(self, started: oneshot::Sender<io::Result<()>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        runtime.block_on(self.serve(started));
        // What handlers have spawned ends here. What blocks a thread of the pool is not waited for.
        runtime.shutdown_background();
    }

    async fn serve(self, started: oneshot::Sender<io::Result<()>>) {
        let Self { listeners, acceptor, begin, stop, accepting } = self;
        let listeners: io::Result<Vec<_>> = listeners.into_iter().map(Listener::of_std).collect();
        let mut listeners = match listeners {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        let accept = async {
            begin.cancelled().await;
            acceptor.accept(&mut listeners).await;
        };
        tokio::select! {
            () = accept => {}
            () = stop.cancelled() => {}
        }
        acceptor.accept_last(listeners);
        drop(accepting);
        acceptor.ended().await;
    }
}
