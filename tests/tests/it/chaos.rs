//! Faults in rounds, as the program `chaos` makes them without end, and known bugs, which they find.

use std::time::Duration;

use mpim_tests::chaos::{Bug, Fault, Options, Report, run};
use mpim_tests::{Layout, Stack};

/// Rounds in which a known bug must be found.
const ROUNDS_MAX: u64 = 12;

fn options(layout: Layout, faults: Vec<Fault>) -> Options {
    Options {
        layout,
        rounds: 1,
        seed: 0,
        faults,
        in_turn: false,
        time_max: Duration::from_secs(240),
        rounds_of_a_stack: 250,
        bug: None,
        keep: std::env::temp_dir().join("mpim-chaos"),
    }
}

/// Each of these once, on one stack.
async fn holds(layout: Layout, faults: &[Fault]) {
    let mut report = Report::default();
    let options =
        Options { rounds: faults.len() as u64, in_turn: true, ..options(layout, faults.to_vec()) };
    run(&options, &mut report, |_| ()).await.unwrap();
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(report.rounds().len(), faults.len());
}

/// Without those that are long, or that other tests have.
const SHORT: [Fault; 8] = [
    Fault::Quiet,
    Fault::Kill,
    Fault::KillMidCommit,
    Fault::KillTwice,
    Fault::Freeze,
    Fault::CutClients,
    Fault::SilentReader,
    Fault::Duplicates,
];

#[tokio::test]
async fn faults_in_rounds_leave_one_process_right() {
    holds(Layout::Embedded, &SHORT).await;
}

#[tokio::test]
async fn a_backlog_and_a_storm_leave_one_process_right() {
    holds(Layout::Embedded, &[Fault::Backlog, Fault::Storm, Fault::KillAll]).await;
}

#[tokio::test]
async fn faults_in_rounds_leave_five_processes_right() {
    let more = [Fault::CutService, Fault::FreezeAndKill, Fault::RollingRestart];
    holds(Layout::Five, &[&SHORT[..], &more].concat()).await;
}

mod cluster {
    use super::*;

    #[tokio::test]
    async fn faults_of_servers_in_rounds_leave_a_cluster_right() {
        if Stack::cluster_on_its_own_servers().await.is_none() {
            return;
        }
        let faults = [
            Fault::CommitLost,
            Fault::MariaDbKilled,
            Fault::MariaDbSlow,
            Fault::MariaDbCut,
            Fault::RedisWiped,
            Fault::ZooKeeperDown,
            Fault::CutService,
            Fault::Duplicates,
        ];
        holds(Layout::Cluster, &faults).await;
    }
}

/// Rounds with a known bug end with one that fails.
async fn is_found(bug: Bug, faults: &[Fault]) {
    let mut report = Report::default();
    for seed in 0..ROUNDS_MAX {
        let planted =
            Options { seed, bug: Some(bug), ..options(Layout::Embedded, faults.to_vec()) };
        run(&planted, &mut report, |_| ()).await.unwrap();
        if report.failed().next().is_some() {
            return;
        }
    }
    panic!("{bug:?} was not found in {ROUNDS_MAX} rounds:\n{}", report.table());
}

#[tokio::test]
async fn an_acknowledgement_before_the_commit_is_found() {
    is_found(Bug::AcknowledgedBeforeCommit, &[Fault::Kill]).await;
}

#[tokio::test]
async fn a_check_before_the_lock_is_found() {
    is_found(Bug::CheckedBeforeLock, &[Fault::Kill, Fault::CutClients]).await;
}

#[tokio::test]
async fn ids_that_are_not_looked_at_are_found() {
    is_found(Bug::NoDeduplication, &[Fault::Kill, Fault::CutClients]).await;
}

#[tokio::test]
async fn pushes_without_order_are_found() {
    is_found(Bug::PushedWithoutOrder, &[Fault::Quiet]).await;
}

#[tokio::test]
async fn a_cursor_that_a_send_moves_is_found() {
    is_found(Bug::CursorMovedBySend, &[Fault::Quiet]).await;
}
