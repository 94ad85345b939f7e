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
