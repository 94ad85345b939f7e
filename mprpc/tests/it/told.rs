//! What mprpc counts, for those who look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::Instant;

use crate::support::SOON;

/// `name{label=value,…}`, labels in alphabetical order.
pub(crate) type Seen = BTreeMap<String, f64>;

/// What a recorder was told so far. Histograms count for how often they were.
pub(crate) struct Told {
    snapshotter: Snapshotter,
    pub(crate) seen: Seen,
}

impl Told {
    /// Of what happens on this thread from now on.
    pub(crate) fn listen() -> (Self, metrics::LocalRecorderGuard<'static>) {
        let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let snapshotter = recorder.snapshotter();
        (Self { snapshotter, seen: Seen::new() }, metrics::set_default_local_recorder(recorder))
    }

    pub(crate) fn look(&mut self) -> &Seen {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let labels: BTreeSet<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let labels = labels.into_iter().collect::<Vec<_>>().join(",");
            let seen = self.seen.entry(format!("{}{{{labels}}}", key.name())).or_default();
            // A snapshot takes away what it shows.
            #[expect(clippy::cast_precision_loss, reason = "a few calls")]
            match value {
                DebugValue::Counter(more) => *seen += more as f64,
                DebugValue::Gauge(more) => *seen += more.0,
                DebugValue::Histogram(more) => *seen += more.len() as f64,
            }
        }
        &self.seen
    }

    /// Waits until these stand there.
    pub(crate) async fn wait_for(&mut self, expected: &[(&str, f64)]) {
        let until = Instant::now() + SOON;
        loop {
            let seen = self.look();
            let missing: Vec<_> =
                expected.iter().filter(|(key, value)| seen.get(*key) != Some(value)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "{missing:#?} of {seen:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What stands of the counters that have one of these names, but for those at zero.
    pub(crate) fn of(&mut self, names: &[&str]) -> Seen {
        let seen = self.look().iter();
        let named = seen.filter(|(key, _)| names.contains(&key.split('{').next().unwrap()));
        named
            .filter(|(_, value)| **value != 0.0)
            .map(|(key, value)| (key.clone(), *value))
            .collect()
    }
}
