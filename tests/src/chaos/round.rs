//! One round: people talk, a fault strikes, and what they know is held against the history.

use std::any::Any;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::arena::Arena;
use super::chance::Chance;
use super::crowd::Visitor;
use super::fault::Fault;
use super::strike::{Scene, Spared};
use super::{Options, RoundReport, crowd, kept};
use crate::load::Witness;
use crate::{Journal, Load, Outcome, Run, Sent, Talker};

/// No round takes longer, whatever hangs, but for what takes long by itself.
const ROUND_MAX: Duration = Duration::from_secs(240);
/// For each thousand clients of a storm: each has to be registered first.
const THOUSAND_MAX: Duration = Duration::from_secs(120);
/// Between two messages of people who talk slowly.
const SLOW_BEAT: Duration = Duration::from_millis(50);
/// No process needs more memory than this, in bytes: several times what any was seen to have.
const MEMORY_MAX: u64 = 512 << 20;

/// What a round that came to its end has to tell.
struct Played {
    hit: String,
    recovery: Duration,
    run: Run,
    /// The longest that somebody who was spared waited for an answer.
    spared_slowest: Duration,
    /// What the fault itself has found.
    found: Vec<String>,
}

/// Plays round `number` of a run. Whatever happens in it, this comes back.
pub(super) async fn play(arena: &mut Arena, options: &Options, number: u64) -> RoundReport {
    let seed = options.seed.wrapping_add(number);
    let mut chance = Chance::of(seed);
    // Apart from the other choices, so that those are the same when the fault is named.
    let fault = match options.in_turn {
        true => options.faults[usize::try_from(number).unwrap_or(0) % options.faults.len()],
        false => *Chance::of(!seed).pick(&options.faults),
    };
    let began = Instant::now();
    let mut witness = None;
    let time_max = time_max(fault, options);
    let about = About { options, fault, number };
    let playing = AssertUnwindSafe(talk(arena, about, &mut chance, &mut witness));
    let played = match timeout(time_max, playing.catch_unwind()).await {
        Ok(Ok(played)) => Ok(played),
        Ok(Err(panic)) => Err(said(panic.as_ref())),
        Err(_) => Err(format!("the round took longer than {time_max:?}")),
    };
    let mut report = RoundReport::new(number, seed, fault);
    let run = match played {
        Ok(Played { hit, recovery, run, spared_slowest, found }) => {
            report.hit = hit;
            report.spared_slowest = spared_slowest;
            report.recovery = Some(recovery);
            report.violations = run.violations().iter().map(ToString::to_string).collect();
            report.violations.extend(found);
            report.memory = arena.memory();
            let much = report.memory.iter().filter(|(_, bytes)| **bytes > MEMORY_MAX);
            let much =
                much.map(|(process, bytes)| format!("{process} has {bytes} bytes of memory"));
            report.violations.extend(much);
            run
        }
        Err(stuck) => {
            report.violations.push(stuck);
            let journal = witness.map(|witness| witness.journal()).unwrap_or_default();
            Run { journal, timelines: Vec::new() }
        }
    };
    count(&run, &mut report);
    report.took = began.elapsed();
    if !report.is_right() || report.is_late() {
        report.kept = kept::keep(&options.keep, arena, &report, &run);
    }
    report
}

/// How long a round may take.
fn time_max(fault: Fault, options: &Options) -> Duration {
    match fault {
        Fault::ZooKeeperAway => ROUND_MAX + options.away,
        Fault::StormThousands => {
            let thousands = u32::try_from(options.storm.div_ceil(1_000)).unwrap_or(u32::MAX);
            ROUND_MAX.saturating_add(THOUSAND_MAX.saturating_mul(thousands))
        }
        _ => ROUND_MAX,
    }
}

/// Which round it is.
#[derive(Clone, Copy)]
struct About<'a> {
    options: &'a Options,
    fault: Fault,
    number: u64,
}

async fn talk(
    arena: &mut Arena,
    about: About<'_>,
    chance: &mut Chance,
    witness: &mut Option<Witness>,
) -> Played {
    let About { options, fault, number } = about;
    let visitor = Visitor::register(&arena.stack, number).await;
    let acknowledge = fault.needs_acknowledgements();
    let talkers = crowd::gather(&arena.stack, number, acknowledge, &visitor).await;
    let fronts = arena.fronts();
    let gateways = fronts.len();
    let people: Vec<_> = talkers.iter().map(Talker::reader).collect();
    let load = match fault.is_slow() {
        true => Load::with_beat(fronts, talkers.clone(), SLOW_BEAT),
        false => Load::start(fronts, talkers.clone()),
    };
    *witness = Some(load.witness());
    load.flows().await;
    sleep(chance.ms(0..400)).await;
    let struck = fault.strike(&mut Scene { arena, chance, round: number, options }).await;
    let comes = async {
        visitor.comes(&arena.stack).await;
        struck.healed.elapsed()
    };
    let (served, let_in) = tokio::join!(load.recovered(struck.healed), comes);
    let recovery = served.max(let_in).max(struck.served);
    let compared = struck.compared.map(|moments| moments.map(|moment| load.since_began(moment)));
    sleep(chance.ms(0..200)).await;
    let mut run = load.finish(crowd::JOINS).await;
    crowd::note_changes(&arena.stack, &talkers, &mut run).await;
    let (mut found, mut spared_slowest) = (struck.found, Duration::ZERO);
    let is_spared = |place: usize| match struck.spared {
        Spared::Nobody => false,
        Spared::Everybody => true,
        Spared::AtOtherGateways(number) => place % gateways + 1 != number,
    };
    let people = people.into_iter().enumerate();
    let spared: Vec<_> =
        people.filter(|(place, _)| is_spared(*place)).map(|(_, uid)| uid).collect();
    for uid in &spared {
        found.extend(noticed(&run.journal, *uid));
        spared_slowest = spared_slowest.max(slowest(&run.journal, |sent| sent.by == *uid));
    }
    let mut hit = struck.hit;
    if let Some([quiet, struck, over]) = compared
        && !spared.is_empty()
    {
        let p99 = |times| p99_ms(&run.journal, &spared, times);
        let (quiet, during) = (p99(quiet..struck), p99(struck..over));
        hit += &format!("; p99 of the answers to others {during} ms, in quiet {quiet} ms");
    }
    Played { hit, recovery, run, spared_slowest, found }
}

/// U: what somebody has noticed of a fault that did not concern them.
fn noticed(journal: &Journal, uid: i64) -> Vec<String> {
    let endings = journal.endings.iter().filter(|ending| ending.of == uid);
    let endings = endings.map(|ending| format!("U: {uid} lost a connection at {:.1?}", ending.at));
    let sent = journal.sent.iter().filter(|sent| sent.by == uid);
    let failed = sent.filter(|sent| !matches!(sent.outcome, Outcome::Acknowledged(_)));
    let failed = failed.map(|sent| format!("U: {:?} was answered {:?}", sent.text, sent.outcome));
    endings.chain(failed).collect()
}

fn count(run: &Run, report: &mut RoundReport) {
    for sent in &run.journal.sent {
        match sent.outcome {
            Outcome::Acknowledged(_) => report.acknowledged += 1,
            Outcome::Refused => report.refused += 1,
            Outcome::Unknown => report.unknown += 1,
        }
    }
    // Those of who was shut out.
    let refused = run.journal.attempts.iter().filter(|attempt| !attempt.was_let_in);
    report.refused -= refused.count() as u64;
    report.shown = run.journal.receipts.len() as u64;
    report.slowest = slowest(&run.journal, |_| true);
}

/// The longest that an answer to one of these was waited for.
fn slowest(journal: &Journal, whose: impl Fn(&Sent) -> bool) -> Duration {
    let sent = journal.sent.iter().filter(|sent| whose(sent));
    let waited = sent.filter_map(|sent| sent.answered_at?.checked_sub(sent.at));
    waited.max().unwrap_or_default()
}

/// Of what some sent within a time, how long 99 in 100 waited for the answer at most, in ms.
fn p99_ms(journal: &Journal, by: &[i64], times: Range<Duration>) -> u128 {
    let sent = journal.sent.iter().filter(|sent| by.contains(&sent.by) && times.contains(&sent.at));
    let mut waited: Vec<_> =
        sent.filter_map(|sent| sent.answered_at?.checked_sub(sent.at)).collect();
    waited.sort_unstable();
    let last = waited.len().saturating_sub(1);
    waited.get((last * 99).div_ceil(100)).map_or(0, Duration::as_millis)
}

/// What a panic says.
pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "something panicked".to_owned())
}
