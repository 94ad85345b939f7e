//! Lines that are no commands, slow ones, huge ones; and who gets in at all.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::client::{Client, SOON};
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

#[tokio::test]
async fn a_bad_line_is_answered_and_the_connection_goes_on() {
    let system = System::with(|config| config.text.line_bytes_max = 100).await;
    let mut ada = system.register("ada").await;
    ada.send(&[b"SEND 1 ", &[b'x'; 5_000][..], b"\nPING\n"].concat()).await;
    assert_eq!(ada.lines(2).await, ["-ERR line too long", "+OK pong"]);
    ada.send(b"SEND 1 \xff\xfe\nPING\n").await;
    assert_eq!(ada.lines(2).await, ["-ERR not valid UTF-8", "+OK pong"]);
    ada.send(b"\n\r\nPING\r\n").await;
    assert_eq!(ada.line().await, "+OK pong");
}

#[tokio::test]
async fn a_line_that_comes_byte_by_byte_is_a_line() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    for byte in b"PING\n" {
        ada.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(ada.line().await, "+OK pong");
}

#[tokio::test]
async fn text_that_looks_like_a_line_stays_within_its_own() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let entry = system.store("c2c_1_2", 2, "hi\n+OK uid=1\r\n\x1b[2J");
    system.push(&[&entry], &[1]).await;
    let line = "MSG id=1 from=2 ts=1000 text=hi\\x0A+OK uid=1\\x0D\\x0A\\x1B[2J";
    assert_eq!(ada.line().await, line);
}

#[tokio::test]
async fn one_connection_more_than_the_bound_is_told_so() {
    let system = System::with(|config| config.text.connections_max = 2).await;
    let mut ada = system.connect().await;
    let bob = system.connect().await;
    let (mut third, first) = Client::connect(system.addr).await;
    assert_eq!(first, "-ERR closing server full");
    assert_eq!(third.line().await, "closed");
    assert_eq!(ada.ask("PING").await, "+OK pong", "the others notice nothing");
    drop(bob);
    loop {
        let (_, first) = Client::connect(system.addr).await;
        if first.starts_with("+OK welcome") {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_that_never_logs_in_is_closed_with_a_reason() {
    let system = System::with(|config| config.text.login_timeout_ms = 1_000).await;
    let mut stranger = system.connect().await;
    assert_eq!(stranger.lines(2).await, ["-ERR closing login timeout", "closed"]);
    let mut half_a_line = system.connect().await;
    half_a_line.send(b"LOGIN ada").await;
    assert_eq!(half_a_line.lines(2).await, ["-ERR closing login timeout", "closed"]);
}

#[tokio::test]
async fn a_shutdown_is_told_and_what_was_delivered_is_handed_over() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    let mut stranger = system.connect().await;
    // The first tick is due at once: it must not be what hands the cursor over.
    let entry = system.store("c2c_1_2", 2, "hi");
    system.push(&[&entry], &[1]).await;
    assert!(ada.line().await.ends_with("text=hi"));
    assert_eq!(ada.ask("PING").await, "+OK pong");
    let fakes = system.fakes.clone();
    let stopped = tokio::spawn(system.running.stop(SOON));
    assert_eq!(ada.lines(2).await, ["-ERR closing server shutting down", "closed"]);
    assert_eq!(stranger.lines(2).await, ["-ERR closing server shutting down", "closed"]);
    drop((ada, stranger));
    stopped.await.unwrap().unwrap();
    let state = fakes.state();
    assert_eq!(state.cursors[&(1, "c2c_1_2".to_owned())], 1);
    assert!(state.routes.is_empty(), "and nobody is online any more");
}

#[tokio::test]
async fn a_shutdown_answers_what_had_arrived_and_then_says_so() {
    let system = System::with(|config| config.closing.drain_ms = 60_000).await;
    let (mut ada, mut stranger) = (system.register("ada").await, system.connect().await);
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    // More than is taken at once and more than is read at once; a segment arrives as a whole.
    let text = "x".repeat(40);
    let sends = format!("SEND 1 {text}\n").repeat(600);
    ada.send(format!("{sends}PING\nWHOAMI\nSEND 1 half of").as_bytes()).await;
    let sending = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Send { .. }));
    system.until("the first is sent", sending).await;
    let stopped = tokio::spawn(system.running.stop(SOON));
    assert_eq!(stranger.lines(2).await, ["-ERR closing server shutting down", "closed"]);
    gate.add_permits(Semaphore::MAX_PERMITS);
    for number in 1..=600 {
        assert_eq!(ada.line().await, format!("+OK msg_id={number}"));
    }
    let rest = ["+OK pong", "+OK uid=1", "-ERR closing server shutting down", "closed"];
    assert_eq!(ada.lines(4).await, rest, "and half a line is no command");
    drop((ada, stranger));
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_comes_after_a_shutdown_began_does_not_hold_it_up() {
    let system = System::with(|config| config.closing.drain_ms = 60_000).await;
    let (mut ada, mut stranger) = (system.register("ada").await, system.connect().await);
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"SEND 1 hi\n").await;
    let sending = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Send { .. }));
    system.until("the send has begun", sending).await;
    let stopped = tokio::spawn(system.running.stop(SOON));
    // Both were told at once: who hears of it says that the other has.
    assert_eq!(stranger.lines(2).await, ["-ERR closing server shutting down", "closed"]);
    ada.send(b"SEND 1 late\nPING\n").await;
    gate.add_permits(1);
    let expected = ["+OK msg_id=1", "-ERR closing server shutting down", "closed"];
    assert_eq!(ada.lines(3).await, expected);
    drop((ada, stranger));
    stopped.await.unwrap().unwrap();
}
