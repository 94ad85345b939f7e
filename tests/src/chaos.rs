//! Faults on a running MPIM, round after round, and what came of them.
//!
//! One stack lives through all rounds. In each, new people talk in new conversations, a fault strikes,
//! is mended, everybody has a last word, and the whole history is read back and held against what the
//! people know: the invariants of [`Run`](crate::Run), and that those whom the fault does not concern
//! notice nothing. How long it took until everybody was served again is noted.
//!
//! What happens in a round follows from its seed: which fault, where, and when. Seeds of a run are
//! consecutive numbers, so a round that failed is repeated as a run of one round from its seed.

mod arena;
mod chance;
mod crowd;
mod fault;
mod kept;
mod planted;
mod report;
mod round;
mod strike;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use arena::Arena;
pub use fault::Fault;
pub use planted::Bug;
pub use report::{Report, RoundReport};

/// How often a stack is tried to be started.
const STARTS_MAX: usize = 3;

/// What a run is.
#[derive(Clone, Debug)]
pub struct Options {
    /// In what shape MPIM runs.
    pub layout: crate::Layout,
    /// So many rounds.
    pub rounds: u64,
    /// The seed of the first round.
    pub seed: u64,
    /// Which faults; each round picks one by its seed.
    pub faults: Vec<Fault>,
    /// They are taken in turn instead.
    pub in_turn: bool,
    /// No round begins later than this.
    pub time_max: Duration,
    /// After so many rounds a new stack is started.
    pub rounds_of_a_stack: u64,
    /// With which known bug, to see that it is found.
    pub bug: Option<Bug>,
    /// A send is tried for as long as tests try it, and not as long as gateways usually do: for a machine
    /// that is busy.
    pub patient: bool,
    /// Clients of a storm of thousands.
    pub storm: usize,
    /// For how long ZooKeeper is away where it is for long.
    pub away: Duration,
    /// Where journals of rounds that failed are kept.
    pub keep: PathBuf,
}

/// Runs the rounds. `report` is complete up to the last round also when this is dropped, which ends
/// all processes; `told` hears of each round.
///
/// # Errors
/// The stack cannot be had here.
pub async fn run(
    options: &Options,
    report: &mut Report,
    mut told: impl FnMut(&RoundReport),
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut arena = None;
    for number in 0..options.rounds {
        if began.elapsed() >= options.time_max {
            break;
        }
        if number % options.rounds_of_a_stack.max(1) == 0 {
            arena = None;
        }
        let mut here = match arena.take() {
            Some(arena) => arena,
            None => started(options).await?,
        };
        let round = round::play(&mut here, options, number).await;
        // What a round has left in disorder must not spoil the next one.
        if round.is_right() {
            arena = Some(here);
        }
        told(&round);
        report.add(round);
    }
    Ok(())
}

/// A fresh stack. A machine that has no time for one may have some soon; if not, that ends the run,
/// and not what was found until then.
async fn started(options: &Options) -> anyhow::Result<Arena> {
    let mut said = String::new();
    for _ in 0..STARTS_MAX {
        let starting = Arena::start(options);
        match AssertUnwindSafe(starting).catch_unwind().await {
            Ok(started) => return started,
            Err(panic) => said = round::said(panic.as_ref()),
        }
    }
    anyhow::bail!("in {STARTS_MAX} tries no stack came up: {said}")
}
