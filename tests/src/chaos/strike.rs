//! How each fault is made, and mended.

use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::arena::Arena;
use super::chance::Chance;
use super::fault::Fault;
use crate::{Layout, Service};

/// A fault that was mended.
pub(super) struct Struck {
    /// What it hit.
    pub(super) hit: String,
    /// From when on everything that was needed was there, or was being started.
    pub(super) healed: Instant,
}

impl Fault {
    /// Does it and mends it.
    pub(super) async fn strike(self, arena: &mut Arena, chance: &mut Chance) -> Struck {
        let processes = arena.stack.processes();
        let any = chance.pick(&processes).clone();
        match self {
            Self::Quiet => {
                sleep(chance.ms(100..500)).await;
                struck("nothing", Instant::now())
            }
            Self::Kill => {
                arena.stack.kill(&any).await;
                sleep(chance.ms(0..500)).await;
                start_again(arena, &[any]).await
            }
            Self::KillMidCommit => kill_mid_commit(arena).await,
            Self::KillTwice => {
                arena.stack.kill(&any).await;
                arena.stack.process(&any).start();
                sleep(chance.ms(0..300)).await;
                arena.stack.kill(&any).await;
                start_again(arena, &[any]).await
            }
            Self::KillAll => {
                for process in &processes {
                    arena.stack.process(process).signal(Signal::KILL);
                }
                for process in &processes {
                    arena.stack.kill(process).await;
                }
                start_again(arena, &processes).await
            }
            Self::Freeze => {
                arena.stack.process(&any).signal(Signal::STOP);
                sleep(chance.ms(200..3_000)).await;
                arena.stack.process(&any).signal(Signal::CONT);
                struck(any, Instant::now())
            }
            Self::FreezeAndKill => {
                arena.stack.process(&any).signal(Signal::STOP);
                sleep(chance.ms(50..1_500)).await;
                arena.stack.kill(&any).await;
                start_again(arena, &[any]).await
            }
            Self::RollingRestart => {
                let mut healed = Instant::now();
                for process in &processes {
                    arena.stack.stop(process).await;
                    healed = Instant::now();
                    arena.stack.restart(process).await;
                }
                struck("everything", healed)
            }
        }
    }
}

fn struck(hit: impl Into<String>, healed: Instant) -> Struck {
    Struck { hit: hit.into(), healed }
}

/// Starts processes that are gone, all at the same time.
async fn start_again(arena: &mut Arena, processes: &[String]) -> Struck {
    let healed = Instant::now();
    for process in processes {
        arena.stack.process(process).start();
    }
    for process in processes {
        arena.stack.is_back(process).await;
    }
    struck(processes.join(", "), healed)
}

/// im-message dies in the moment in which its journal of SQLite has just been written to.
async fn kill_mid_commit(arena: &mut Arena) -> Struck {
    let process = arena.process_of(Service::Message, 1);
    let written = match arena.stack.layout() {
        Layout::Embedded | Layout::Five => arena.stack.directory().join("data/message"),
        Layout::Cluster => unreachable!("instances of a cluster write to no file"),
    };
    let journals: Vec<_> = std::fs::read_dir(written)
        .expect("im-message has a directory")
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.to_string_lossy().ends_with("-wal"))
        .collect();
    let state = || -> Vec<(u64, Option<SystemTime>)> {
        let about = journals.iter().filter_map(|journal| journal.metadata().ok());
        about.map(|about| (about.len(), about.modified().ok())).collect()
    };
    let before = state();
    let deadline = Instant::now() + Duration::from_secs(1);
    // Somebody talks all the time, so that this does not spin for long.
    while state() == before && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    arena.stack.process(&process).signal(Signal::KILL);
    arena.stack.kill(&process).await;
    start_again(arena, &[process]).await
}
