//! What mprpc counts, for those who look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tokio::time::Instant;

use crate::support::SOON;

/// `name{label=value,…}`, labels in alphabetical order.
pub(crate) type Seen = BTreeMap<String, f64>;

/// What a recorder was told so far. Histograms count for how often they were.
pub(crate) struct Told {
    recorder: &'static Kept,
    pub(crate) seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// As the crate's page says.
    fn of(name: &str) -> Self {
        match name.rsplit('_').next() {
            Some("total") => Self::Counter,
            Some("seconds") => Self::Histogram,
            _ => Self::Gauge,
        }
    }
}

/// Keeps everything.
#[derive(Default)]
struct Kept {
    cells: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    /// What each histogram was told last, by its metric's name.
    last: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Kept {
    fn cell(&self, key: &Key, kind: Kind) -> Arc<AtomicU64> {
        assert_eq!(Kind::of(key.name()), kind, "{key:?}");
        let labels: BTreeSet<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(",");
        let key = format!("{}{{{labels}}}", key.name());
        Arc::clone(self.cells.lock().unwrap().entry(key).or_default())
    }
}

/// Counts how often it is told, and keeps the last.
struct Often {
    name: String,
    count: Arc<AtomicU64>,
    last: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl HistogramFn for Often {
    fn record(&self, value: f64) {
        self.last.lock().unwrap().insert(self.name.clone(), value);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key, Kind::Counter))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key, Kind::Gauge))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let (name, count) = (key.name().to_owned(), self.cell(key, Kind::Histogram));
        Histogram::from_arc(Arc::new(Often { name, count, last: Arc::clone(&self.last) }))
    }
}

impl Told {
    /// Of what happens on this thread from now on.
    pub(crate) fn listen() -> (Self, metrics::LocalRecorderGuard<'static>) {
        let recorder: &'static Kept = Box::leak(Box::default());
        (Self { recorder, seen: Seen::new() }, metrics::set_default_local_recorder(recorder))
    }

    pub(crate) fn look(&mut self) -> &Seen {
        for (key, value) in &*self.recorder.cells.lock().unwrap() {
            let value = value.load(Ordering::Relaxed);
            #[expect(clippy::cast_precision_loss, reason = "a few calls")]
            let value = match Kind::of(key.split('{').next().unwrap()) {
                Kind::Gauge => f64::from_bits(value),
                Kind::Counter | Kind::Histogram => value as f64,
            };
            self.seen.insert(key.clone(), value);
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

    /// What the histogram of this name was told last.
    pub(crate) fn last(&self, name: &str) -> Duration {
        Duration::from_secs_f64(self.recorder.last.lock().unwrap()[name])
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
