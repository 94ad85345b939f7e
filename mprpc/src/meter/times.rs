//! How long calls took, and what they spent it on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::MethodMeter;

/// Where the time of a client's call has gone.
const CLIENT_NAMES: &[&str] = &[
    "mprpc_client_call_seconds",
    "mprpc_client_queue_seconds",
    "mprpc_client_write_seconds",
    "mprpc_client_network_seconds",
    "mprpc_client_remote_seconds",
];

/// Where that of a server's call has.
const SERVER_NAMES: &[&str] = &["mprpc_server_queue_seconds", "mprpc_server_handler_seconds"];

/// A call of a channel that is timed. Filled in where the call comes by.
#[derive(Debug)]
pub(crate) struct Timing {
    began: Instant,
    /// Each in nanoseconds since it began, and zero while nobody knows.
    queued: AtomicU64,
    taken: AtomicU64,
    written: AtomicU64,
    /// How long the server had it, in nanoseconds; zero while nobody knows.
    remote: AtomicU64,
}

impl Timing {
    pub(crate) fn new(began: Instant) -> Self {
        let unknown = || AtomicU64::new(0);
        Self { began, queued: unknown(), taken: unknown(), written: unknown(), remote: unknown() }
    }

    /// Its frame was put out, behind others.
    pub(crate) fn queued(&self, now: Instant) {
        self.note(&self.queued, now);
    }

    /// Its frame was taken to be written.
    pub(crate) fn taken(&self, now: Instant) {
        self.note(&self.taken, now);
    }

    /// The kernel has its frame.
    pub(crate) fn written(&self, now: Instant) {
        self.note(&self.written, now);
    }

    /// The server says that it had it for so long.
    pub(crate) fn remote(&self, time: Duration) {
        self.remote.store(nanos(time), Ordering::Relaxed);
    }

    fn note(&self, what: &AtomicU64, now: Instant) {
        what.store(nanos(now.saturating_duration_since(self.began)), Ordering::Relaxed);
    }
}

/// At least one: zero is for what nobody knows.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// The histograms of a client's method.
pub(crate) struct ClientTimes;

impl ClientTimes {
    /// Notes a call that has ended `now`, as far as it came.
    pub(crate) fn record(meter: &MethodMeter, timing: &Timing, now: Instant) {
        let [call, queue, write, network, remote] = meter.histograms(CLIENT_NAMES) else {
            return;
        };
        let took = now.saturating_duration_since(timing.began);
        call.record(took);
        let load = |what: &AtomicU64| match what.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let (queued, taken) = (load(&timing.queued), load(&timing.taken));
        let (Some(queued), Some(taken)) = (queued, taken) else { return };
        queue.record(taken.saturating_sub(queued));
        let Some(written) = load(&timing.written) else { return };
        write.record(written.saturating_sub(taken));
        let Some(there) = load(&timing.remote) else { return };
        network.record(took.saturating_sub(written).saturating_sub(there));
        remote.record(there);
    }
}

/// The histograms of a server's method.
pub(crate) struct ServerTimes;

impl ServerTimes {
    /// Notes a call whose handler has ended.
    pub(crate) fn record(meter: &MethodMeter, queued: Duration, handled: Duration) {
        if let [queue, handler] = meter.histograms(SERVER_NAMES) {
            queue.record(queued);
            handler.record(handled);
        }
    }
}
