//! Faults in rounds, as the program `chaos` makes them without end, and known bugs, which they find.

use std::time::Duration;

use mpim_tests::Layout;
use mpim_tests::chaos::{Bug, Fault, Options, Report, run};

/// Rounds in which a known bug must be found.
const ROUNDS_MAX: u64 = 12;
/// Clients of a storm, which are thousands where it is run for what it tells.
const STORM: usize = 50;
/// For how long ZooKeeper is away, which is minutes there.
const AWAY: Duration = Duration::from_secs(10);

fn options(layout: Layout, faults: Vec<Fault>) -> Options {
    Options {
        layout,
        rounds: 1,
        seed: 0,
        faults,
        in_turn: true,
        time_max: Duration::from_secs(1_200),
        rounds_of_a_stack: 250,
        bug: None,
        patient: false,
        storm: STORM,
        away: AWAY,
        keep: std::env::temp_dir().join("mpim-chaos"),
    }
}

/// Each of these once, on one stack. How long a recovery takes is for a machine that has time.
pub(crate) async fn holds(layout: Layout, faults: &[Fault]) {
    let mut report = Report::default();
    let options = Options { rounds: faults.len() as u64, ..options(layout, faults.to_vec()) };
    run(&options, &mut report, |_| ()).await.unwrap();
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(report.rounds().len(), faults.len(), "none is left out: {:?}", report.rounds());
    assert!(report.rounds().iter().all(|round| round.acknowledged > 0), "{:?}", report.rounds());
}

#[tokio::test]
async fn one_process_survives_kills_and_a_full_disk() {
    let faults = [Fault::Kill, Fault::KillMidCommit, Fault::KillTwice, Fault::DiskFull];
    holds(Layout::Embedded, &faults).await;
}

#[tokio::test]
async fn one_process_survives_its_clients() {
    let faults = [
        Fault::CutClients,
        Fault::ResetClients,
        Fault::SilentReader,
        Fault::SlowReader,
        Fault::SilentCrowd,
        Fault::Duplicates,
        Fault::Backlog,
    ];
    holds(Layout::Embedded, &faults).await;
}

#[tokio::test]
async fn five_processes_survive_kills_and_a_full_disk() {
    let faults =
        [Fault::Kill, Fault::KillMidCommit, Fault::KillAll, Fault::FreezeAndKill, Fault::DiskFull];
    holds(Layout::Five, &faults).await;
}

#[tokio::test]
async fn five_processes_survive_cuts_between_them() {
    let faults = [
        Fault::CutService,
        Fault::Freeze,
        Fault::RollingRestart,
        Fault::ResetClients,
        Fault::StormThousands,
    ];
    holds(Layout::Five, &faults).await;
}

/// What the checker says of what is not in the history, or is and was not shown.
const HISTORY: &str = "L: ";
/// What it says of the order in which somebody was shown something.
const ORDER: &str = "O: ";
/// What it says of what somebody was shown more than once.
const DOUBLES: &str = "D: ";
/// Rounds with a known bug end with one that fails, and says of it what it is: a round can also fail
/// because the machine has no time.
async fn is_found(bug: Bug, fault: Fault, says: &str) {
    let mut report = Report::default();
    for seed in 0..ROUNDS_MAX {
        let planted = Options { seed, bug: Some(bug), ..options(Layout::Embedded, vec![fault]) };
        run(&planted, &mut report, |_| ()).await.unwrap();
        if report.failed().any(|round| round.violations.iter().any(|said| said.starts_with(says))) {
            return;
        }
    }
    let failed: Vec<_> = report.failed().collect();
    panic!("{bug:?} was not found in {ROUNDS_MAX} rounds, of which failed: {failed:#?}");
}

#[tokio::test]
async fn an_acknowledgement_before_the_commit_is_found() {
    is_found(Bug::AcknowledgedBeforeCommit, Fault::Kill, HISTORY).await;
}

#[tokio::test]
async fn a_check_before_the_lock_is_found() {
    is_found(Bug::CheckedBeforeLock, Fault::Kill, HISTORY).await;
}

#[tokio::test]
async fn ids_that_are_not_looked_at_are_found() {
    is_found(Bug::NoDeduplication, Fault::Kill, HISTORY).await;
}

#[tokio::test]
async fn pushes_without_order_are_found() {
    is_found(Bug::PushedWithoutOrder, Fault::Quiet, ORDER).await;
}

#[tokio::test]
async fn a_cursor_that_a_send_moves_is_found() {
    is_found(Bug::CursorMovedBySend, Fault::Quiet, HISTORY).await;
}

#[tokio::test]
async fn cursors_that_are_not_written_are_found() {
    is_found(Bug::CursorsNotWritten, Fault::Quiet, DOUBLES).await;
}
