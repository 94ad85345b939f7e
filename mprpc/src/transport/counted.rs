//! How many connections a client has, and how many calls wait for one.

/// Counts something for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(metrics::Gauge);

impl Counted {
    /// A connection that is open.
    pub(super) fn connection(wire: &'static str) -> Self {
        metrics::counter!("mprpc_connections_opened_total", "wire" => wire).increment(1);
        Self::new(metrics::gauge!("mprpc_connections", "wire" => wire))
    }

    /// A call that waits for a classic connection.
    pub(super) fn waiting_for_classic() -> Self {
        Self::new(metrics::gauge!("mprpc_classic_waiting"))
    }

    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
