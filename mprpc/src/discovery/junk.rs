//! What stands in a registry and makes no sense.

use std::collections::HashSet;

/// What was said of the junk in one registry. Of each piece it is said once, for as long as it
/// stands there, and each is counted as often as it is said.
#[derive(Debug)]
pub(super) struct Junk {
    registry: &'static str,
    /// Where it stands, and what is wrong with it.
    said: HashSet<(String, String)>,
}

impl Junk {
    pub(super) fn new(registry: &'static str) -> Self {
        Self { registry, said: HashSet::new() }
    }

    /// This is what makes no sense now.
    pub(super) fn is(&mut self, junk: impl IntoIterator<Item = (String, String)>) {
        let junk: HashSet<_> = junk.into_iter().collect();
        for (place, what) in junk.difference(&self.said) {
            tracing::warn!(
                registry = self.registry,
                place,
                what,
                "what the registry says makes no sense; ignored"
            );
            metrics::counter!("mprpc_registry_junk_total", "registry" => self.registry)
                .increment(1);
        }
        self.said = junk;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;

    /// Counts all that is counted together.
    #[derive(Default)]
    struct Counted(Arc<AtomicU64>);

    impl Recorder for Counted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            assert_eq!(key.name(), "mprpc_registry_junk_total");
            assert_eq!(key.labels().map(metrics::Label::value).collect::<Vec<_>>(), ["dns"]);
            Counter::from_arc(Arc::clone(&self.0))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn each_piece_counts_once_for_as_long_as_it_stands_there() {
        let counted = Counted::default();
        let mut junk = Junk::new("dns");
        let piece = |what: &str| ("here".to_owned(), what.to_owned());
        metrics::with_local_recorder(&counted, || {
            for (pieces, total) in [
                (vec![piece("a")], 1),
                (vec![piece("a")], 1),
                (vec![piece("a"), piece("b")], 2),
                (vec![], 2),
                (vec![piece("b")], 3),
            ] {
                junk.is(pieces);
                assert_eq!(counted.0.load(Ordering::Relaxed), total);
            }
        });
    }
}
