//! Whether a process can do its work, and if not, what it waits for.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Gauge, gauge};
use tokio::time::Instant;

/// What a process needs from outside, and whether it has it. Clones share the state.
///
/// A process is ready once its services have started and everything that they depend on is there.
/// After that, two kinds of dependency differ:
///
/// * Without an [essential](Self::dependency) one (a database) an instance can do nothing: it is not
///   ready, and whoever balances should send its callers elsewhere.
/// * Without a [soft](Self::soft_dependency) one (the registry, Redis) it goes on with less. All
///   instances lose such a thing at the same moment, so being "not ready" would take out the whole
///   fleet although it serves; the instance stays ready, and the loss shows in the log and in the
///   gauge `mpim_dependency_up`.
///
/// Before it was there for the first time, either kind keeps the process from being ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    dependencies: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Serving,
    Draining,
}

#[derive(Debug)]
struct Entry {
    name: String,
    soft: bool,
    was_up: bool,
    /// Why it is not there; `None`: it is.
    down: Option<Down>,
    gauge: Gauge,
}

#[derive(Debug)]
struct Down {
    why: String,
    since: Instant,
    logged: bool,
}

impl Readiness {
    /// Adds something without which the process cannot serve, by a name for people that says where it
    /// is: `MariaDB at 127.0.0.1:13306`. It holds no secrets. Two parts of a process that use the same
    /// thing over connections of their own may each add it: it is there when both have it.
    ///
    /// It counts as down until it is said to be [`up`](Dependency::up).
    #[must_use = "a dependency that nobody reports keeps the process from being ready"]
    pub fn dependency(&self, name: impl Into<String>) -> Dependency {
        self.add(name.into(), false)
    }

    /// Adds something that the process needs to start, and can do without for a while once it had it.
    #[must_use = "a dependency that nobody reports keeps the process from being ready"]
    pub fn soft_dependency(&self, name: impl Into<String>) -> Dependency {
        self.add(name.into(), true)
    }

    fn add(&self, name: String, soft: bool) -> Dependency {
        let gauge = gauge!("mpim_dependency_up", "dependency" => name.clone());
        gauge.set(0.0);
        let why = "not there yet".to_owned();
        let down = Some(Down { why, since: Instant::now(), logged: false });
        let mut state = self.lock();
        state.dependencies.push(Entry { name, soft, was_up: false, down, gauge });
        let index = state.dependencies.len() - 1;
        Dependency { readiness: self.clone(), index, is_up: Arc::default() }
    }

    /// The services have started.
    pub(crate) fn serving(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Starting {
            state.phase = Phase::Serving;
        }
    }

    /// The process is about to end.
    pub(crate) fn draining(&self) {
        self.lock().phase = Phase::Draining;
    }

    /// `Ok` when the process is ready. The text has a line for each thing that is missing, and is for
    /// people either way.
    ///
    /// # Errors
    /// It is not ready; the text says why.
    pub fn report(&self) -> Result<String, String> {
        let state = self.lock();
        let mut ready = state.phase == Phase::Serving;
        let mut missing = String::new();
        for entry in &state.dependencies {
            let Some(down) = &entry.down else {
                continue;
            };
            let degrades = entry.soft && entry.was_up;
            ready &= degrades;
            let word = if degrades { "degraded" } else { "down" };
            // Writing to a String cannot fail.
            let _ = writeln!(missing, "{word}: {}: {}", entry.name, down.why);
        }
        let phase = match state.phase {
            Phase::Starting => "starting\n",
            Phase::Draining => "draining\n",
            Phase::Serving if ready => "ready\n",
            Phase::Serving => "",
        };
        let text = format!("{phase}{missing}");
        if ready { Ok(text) } else { Err(text) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that a process depends on. Whoever uses it reports what it saw, as often as it likes:
/// only changes are logged. Clones are the same thing.
#[derive(Clone, Debug)]
pub struct Dependency {
    readiness: Readiness,
    index: usize,
    /// Written under the lock; spares those who say the same after each call the wait for it.
    is_up: Arc<AtomicBool>,
}

impl Dependency {
    /// It answers. Cheap where nothing has changed.
    pub fn up(&self) {
        if self.is_up.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.readiness.lock();
        let Some(entry) = state.dependencies.get_mut(self.index) else {
            return;
        };
        let Some(down) = entry.down.take() else {
            return;
        };
        entry.was_up = true;
        self.is_up.store(true, Ordering::Release);
        let entry = &state.dependencies[self.index];
        let mut same = state.dependencies.iter().filter(|other| other.name == entry.name);
        if same.all(|other| other.down.is_none()) {
            entry.gauge.set(1.0);
        }
        let (dependency, after) = (entry.name.as_str(), down.since.elapsed());
        if down.logged {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(dependency, after_ms, "is there again");
        } else {
            tracing::info!(dependency, "is there");
        }
    }

    /// It does not answer; `why` is one line for people, without secrets.
    pub fn down(&self, why: &str) {
        let mut state = self.readiness.lock();
        let Some(entry) = state.dependencies.get_mut(self.index) else {
            return;
        };
        self.is_up.store(false, Ordering::Release);
        entry.gauge.set(0.0);
        let new = || Down { why: String::new(), since: Instant::now(), logged: false };
        let down = entry.down.get_or_insert_with(new);
        // The newest reason is shown; the log has the first one, and the end.
        why.clone_into(&mut down.why);
        if !std::mem::replace(&mut down.logged, true) {
            let dependency = entry.name.as_str();
            tracing::warn!(dependency, why, "is not there; trying again until it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_it_serves_and_everything_is_there() {
        let readiness = Readiness::default();
        let database = readiness.dependency("MariaDB at 10.0.0.1:3306");
        assert_eq!(
            readiness.report().unwrap_err(),
            "starting\ndown: MariaDB at 10.0.0.1:3306: not there yet\n"
        );
        database.down("connection refused");
        readiness.serving();
        assert_eq!(
            readiness.report().unwrap_err(),
            "down: MariaDB at 10.0.0.1:3306: connection refused\n"
        );
        database.up();
        assert_eq!(readiness.report().unwrap(), "ready\n");
        readiness.draining();
        assert_eq!(readiness.report().unwrap_err(), "draining\n");
    }

    #[test]
    fn a_lost_database_ends_readiness_and_a_lost_registry_only_degrades() {
        let readiness = Readiness::default();
        let database = readiness.dependency("MariaDB");
        let registry = readiness.soft_dependency("ZooKeeper");
        readiness.serving();
        database.up();
        assert_eq!(readiness.report().unwrap_err(), "down: ZooKeeper: not there yet\n");
        registry.up();
        registry.down("session expired");
        assert_eq!(readiness.report().unwrap(), "ready\ndegraded: ZooKeeper: session expired\n");
        database.down("gone");
        assert_eq!(
            readiness.report().unwrap_err(),
            "down: MariaDB: gone\ndegraded: ZooKeeper: session expired\n"
        );
        database.up();
        registry.up();
        assert_eq!(readiness.report().unwrap(), "ready\n");
    }

    #[test]
    fn what_two_parts_use_is_up_when_both_have_it() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let readiness = Readiness::default();
            let parts = ["Redis", "Redis"].map(|name| readiness.dependency(name));
            let up = || recorder.handle().render().contains("{dependency=\"Redis\"} 1\n");
            parts[0].up();
            assert!(!up());
            parts[1].up();
            assert!(up());
            parts[0].down("gone");
            assert!(!up());
            parts[0].up();
            assert!(up());
        });
    }

    #[test]
    fn a_start_that_ends_after_the_shutdown_began_does_not_make_it_ready() {
        let readiness = Readiness::default();
        readiness.draining();
        readiness.serving();
        assert_eq!(readiness.report().unwrap_err(), "draining\n");
    }
}
