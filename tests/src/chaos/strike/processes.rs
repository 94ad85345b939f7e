//! Processes that die or stand still.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{Scene, Spared, Struck};
use crate::chaos::arena::Arena;
use crate::{End, Layout, Service};

/// What a wrong clock is wrong by.
const HOUR_S: i64 = 3_600;
/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn quiet(scene: &mut Scene<'_>) -> Struck {
    sleep(scene.chance.ms(100..500)).await;
    Struck::now("nothing").spares(Spared::Everybody)
}

pub(super) async fn kill(scene: &mut Scene<'_>) -> Struck {
    let process = any(scene);
    scene.arena.stack.kill(&process).await;
    sleep(scene.chance.ms(0..500)).await;
    start_again(scene.arena, &[process]).await
}

pub(super) async fn kill_twice(scene: &mut Scene<'_>) -> Struck {
    let process = any(scene);
    scene.arena.stack.kill(&process).await;
    scene.arena.stack.process(&process).start();
    sleep(scene.chance.ms(0..300)).await;
    scene.arena.stack.kill(&process).await;
    start_again(scene.arena, &[process]).await
}

pub(super) async fn kill_all(scene: &mut Scene<'_>) -> Struck {
    let processes = scene.arena.stack.processes();
    for process in &processes {
        scene.arena.stack.process(process).signal(Signal::KILL);
    }
    for process in &processes {
        scene.arena.stack.kill(process).await;
    }
    start_again(scene.arena, &processes).await
}

pub(super) async fn freeze(scene: &mut Scene<'_>) -> Struck {
    frozen_for(scene, 200..3_000).await
}

/// Longer than a send and all that it may wait for.
pub(super) async fn freeze_long(scene: &mut Scene<'_>) -> Struck {
    frozen_for(scene, 6_000..12_000).await
}

/// Longer than connections, leases and sessions live without a sign of life.
pub(super) async fn freeze_minute(scene: &mut Scene<'_>) -> Struck {
    frozen_for(scene, 60_000..65_000).await
}

async fn frozen_for(scene: &mut Scene<'_>, ms: Range<u64>) -> Struck {
    let process = any(scene);
    scene.arena.stack.process(&process).signal(Signal::STOP);
    sleep(scene.chance.ms(ms)).await;
    scene.arena.stack.process(&process).signal(Signal::CONT);
    let spared = spared(scene.arena, &process);
    Struck::now(process).spares(spared)
}

pub(super) async fn freeze_and_kill(scene: &mut Scene<'_>) -> Struck {
    let process = any(scene);
    scene.arena.stack.process(&process).signal(Signal::STOP);
    sleep(scene.chance.ms(50..1_500)).await;
    scene.arena.stack.kill(&process).await;
    start_again(scene.arena, &[process]).await
}

pub(super) async fn rolling_restart(scene: &mut Scene<'_>) -> Struck {
    let mut healed = Instant::now();
    for process in scene.arena.stack.processes() {
        scene.arena.stack.stop(&process).await;
        healed = Instant::now();
        scene.arena.stack.restart(&process).await;
    }
    Struck { healed, ..Struck::now("everything") }
}

/// im-message dies in the moment in which its journal of SQLite has just been written to.
pub(super) async fn kill_mid_commit(scene: &mut Scene<'_>) -> Struck {
    let process = scene.arena.process_of(Service::Message, 1);
    let directory = scene.arena.stack.directory().join("data/message");
    let files = std::fs::read_dir(directory).expect("im-message has a directory").flatten();
    let is_journal = |path: &PathBuf| path.to_string_lossy().ends_with("-wal");
    let journals: Vec<_> = files.map(|file| file.path()).filter(is_journal).collect();
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
    scene.arena.stack.process(&process).signal(Signal::KILL);
    scene.arena.stack.kill(&process).await;
    start_again(scene.arena, &[process]).await
}

/// What im-message writes fails, as on a full disk, until there is room again. It goes on living.
pub(super) async fn disk_full(scene: &mut Scene<'_>) -> Struck {
    let process = scene.arena.process_of(Service::Message, 1);
    scene.arena.stack.process(&process).limit_files(Some(0));
    sleep(scene.chance.ms(200..2_500)).await;
    scene.arena.stack.process(&process).limit_files(None);
    Struck::now(process)
}

/// A process can get no more memory while everybody logs in, which takes some for each hash. It goes
/// on with what it has, or ends and is started again.
pub(super) async fn out_of_memory(scene: &mut Scene<'_>) -> Struck {
    let process = any(scene);
    scene.arena.stack.process(&process).limit_memory(Some(0));
    everybody_comes_anew(scene.arena);
    let until = Instant::now() + scene.chance.ms(200..2_500);
    let has_ended = loop {
        if scene.arena.stack.process(&process).exit_status().is_some() {
            break true;
        }
        if Instant::now() >= until {
            break false;
        }
        sleep(LOOK).await;
    };
    if has_ended {
        scene.arena.stack.process(&process).ended().await;
        let hit = format!("{process}, which ended");
        return Struck { hit, ..start_again(scene.arena, &[process]).await };
    }
    scene.arena.stack.process(&process).limit_memory(None);
    Struck::now(process)
}

/// A clock jumps, and back; each time everybody comes anew, so that sessions begin under both.
pub(super) async fn clock_wrong(scene: &mut Scene<'_>) -> Struck {
    let process = any(scene);
    let wrong_by_s = if scene.chance.coin() { HOUR_S } else { -HOUR_S };
    scene.arena.stack.set_clock(&process, wrong_by_s);
    everybody_comes_anew(scene.arena);
    sleep(scene.chance.ms(500..2_500)).await;
    scene.arena.stack.set_clock(&process, 0);
    everybody_comes_anew(scene.arena);
    Struck::now(format!("{process}, by {wrong_by_s} s"))
}

fn everybody_comes_anew(arena: &Arena) {
    for proxy in arena.proxies(|line| line.from == End::Clients) {
        proxy.part(false);
    }
}

/// Starts processes that are gone, all at the same time.
pub(super) async fn start_again(arena: &mut Arena, processes: &[String]) -> Struck {
    arena.died();
    let healed = Instant::now();
    for process in processes {
        arena.stack.process(process).start();
    }
    for process in processes {
        arena.stack.is_back(process).await;
    }
    let spared = match processes {
        [process] => spared(arena, process),
        _ => Spared::Nobody,
    };
    Struck { healed, ..Struck::now(processes.join(", ")).spares(spared) }
}

/// Who must not notice when a process is away: of two instances, the other does the work.
fn spared(arena: &Arena, process: &str) -> Spared {
    if arena.stack.layout() != Layout::Cluster {
        return Spared::Nobody;
    }
    let mut gateways = 1..=arena.instances();
    match gateways.find(|number| arena.process_of(Service::Gateway, *number) == process) {
        Some(gateway) => Spared::AtOtherGateways(gateway),
        None => Spared::Everybody,
    }
}

fn any(scene: &mut Scene<'_>) -> String {
    let processes = scene.arena.stack.processes();
    scene.chance.pick(&processes).clone()
}
