//! Something bounded, and how much of it is in use.

use metrics::Gauge;

/// One unit of something bounded that is in use (a connection, a place in a queue), counted in a
/// gauge from when it is taken until this is dropped, however that comes.
#[derive(Debug)]
#[must_use = "it counts for as long as it lives"]
pub struct InUse(Gauge);

impl InUse {
    /// Counts one more.
    pub fn of(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
