//! Where metrics go: Prometheus' text, and the metrics of the process itself.

use std::sync::LazyLock;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;

use crate::{Clock, open_files_max};

/// From a tenth of a millisecond, a hop on loopback, to ten seconds, past every deadline.
const SECONDS: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Sizes of batches and queues.
const COUNTS: [f64; 13] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
/// What the process was started at; asked for first when the recorder is installed.
static PROCESS: LazyLock<Process> = LazyLock::new(Process::new);

/// The recorder of this process.
#[derive(Clone)]
pub(crate) struct Recorder {
    text: PrometheusHandle,
}

impl Recorder {
    /// Installs it. Handles that were made before go nowhere, so it comes before everything else.
    ///
    /// # Errors
    /// There is one already.
    pub(crate) fn install(program: &'static str) -> Result<Self, BuildError> {
        let text = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets(&COUNTS)?
            .install_recorder()?;
        describe_process();
        gauge!("mpim_build_info", "program" => program, "version" => env!("CARGO_PKG_VERSION"))
            .set(1.0);
        PROCESS.look();
        Ok(Self { text })
    }

    /// One that nothing is recorded with, for tests of those who show it.
    #[cfg(test)]
    pub(crate) fn detached() -> Self {
        Self { text: PrometheusBuilder::new().build_recorder().handle() }
    }

    /// All metrics as Prometheus reads them.
    pub(crate) fn render(&self) -> String {
        PROCESS.look();
        self.text.render()
    }

    /// Takes in what histograms have gathered. Without it they would grow while nobody reads them.
    pub(crate) fn tidy(&self) {
        self.text.run_upkeep();
    }
}

fn describe_process() {
    describe_gauge!("mpim_build_info", "Which program of which version this is; always 1");
    describe_gauge!("mpim_dependency_up", "Whether something that the process needs is there");
    describe_gauge!("mpim_runtime_workers", "Threads that run the process's tasks");
    describe_gauge!("mpim_runtime_tasks", "Tasks that have not ended");
    describe_gauge!(
        "mpim_runtime_queue_tasks",
        "Tasks that wait for a thread, of the shared queue"
    );
    describe_gauge!("process_start_time_seconds", "When the process started, since 1970");
    describe_gauge!("process_open_fds", "Files and sockets that are open");
    describe_gauge!("process_max_fds", "Files and sockets that may be open");
    describe_gauge!("process_resident_memory_bytes", "Memory in use");
    describe_gauge!("process_cpu_seconds_total", "Processor time used");
}

/// The process, as every Prometheus client names it.
struct Process {
    page_bytes: f64,
    ticks_per_s: f64,
    started_s: f64,
}

impl Process {
    fn new() -> Self {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        Self {
            page_bytes: rustix::param::page_size() as f64,
            ticks_per_s: rustix::param::clock_ticks_per_second() as f64,
            started_s: Clock::system().now_ms() as f64 / 1_000.0,
        }
    }

    /// Sets the gauges to what the system says now. What it does not say is left out.
    fn look(&self) {
        gauge!("process_start_time_seconds").set(self.started_s);
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // Without the one that the directory itself takes.
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            gauge!("process_open_fds").set(open.count().saturating_sub(1) as f64);
        }
        if let Some(max) = open_files_max() {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            gauge!("process_max_fds").set(max as f64);
        }
        if let Ok(runtime) = Handle::try_current().map(|runtime| runtime.metrics()) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            for (name, value) in [
                ("mpim_runtime_workers", runtime.num_workers()),
                ("mpim_runtime_tasks", runtime.num_alive_tasks()),
                ("mpim_runtime_queue_tasks", runtime.global_queue_depth()),
            ] {
                gauge!(name).set(value as f64);
            }
        }
        if let Ok(memory) = std::fs::read_to_string("/proc/self/statm")
            && let Some(pages) = field(&memory, 1)
        {
            gauge!("process_resident_memory_bytes").set(pages * self.page_bytes);
        }
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
            // The program's name comes before, in parentheses, and may hold anything.
            && let Some((_, after_name)) = stat.rsplit_once(')')
            && let (Some(user), Some(system)) = (field(after_name, 11), field(after_name, 12))
        {
            gauge!("process_cpu_seconds_total").set((user + system) / self.ticks_per_s);
        }
    }
}

fn field(text: &str, index: usize) -> Option<f64> {
    text.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_and_the_program_are_among_the_metrics() {
        let recorder = Recorder::install("im-test").unwrap();
        metrics::histogram!("x_seconds").record(0.003);
        metrics::histogram!("x_entries").record(3.0);
        let text = recorder.render();
        let version = env!("CARGO_PKG_VERSION");
        for line in [
            &format!("mpim_build_info{{program=\"im-test\",version=\"{version}\"}} 1"),
            "x_seconds_bucket{le=\"0.005\"} 1",
            "x_entries_bucket{le=\"4\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        for (name, least) in [
            ("process_resident_memory_bytes", 1e6),
            ("process_open_fds", 3.0),
            ("process_max_fds", 3.0),
            ("process_cpu_seconds_total", 0.0),
            ("process_start_time_seconds", 1.6e9),
        ] {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            let value: f64 = line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse().unwrap();
            assert!(value >= least, "{name} {value}");
        }
        assert!(Recorder::install("im-test").is_err());
    }
}
