//! What a service in production has and a bare benchmark has not: a recorder for metrics and a
//! subscriber for logs and spans. mprpc is measured with both.

use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::LevelFilter;

/// How often the recorder takes in what histograms have gathered.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs a Prometheus recorder, and a subscriber at level INFO that writes to standard error. Spans
/// of calls are at level DEBUG: no call is sampled.
///
/// # Errors
/// When there is one of them already.
pub fn observe() -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().context("a recorder")?;
    std::thread::spawn(move || upkeep(&metrics));
    let logs = tracing_subscriber::fmt().with_max_level(LevelFilter::INFO);
    logs.with_writer(std::io::stderr).try_init().map_err(|error| anyhow::anyhow!("logs: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own: there is no runtime yet")]
fn upkeep(metrics: &PrometheusHandle) {
    loop {
        std::thread::sleep(UPKEEP);
        metrics.run_upkeep();
    }
}
