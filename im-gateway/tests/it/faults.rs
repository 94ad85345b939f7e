//! Losses and dead clients.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::push::Content;
use mpim_proto::{EntryKind, Push, PushReq};
use mprpc::{Context, Status};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::client::{SOON, texts};
use crate::fakes::{Asked, Fault};
use crate::system::System;

const CONV: &str = "c2c_1_2";

#[tokio::test]
async fn a_hole_in_the_numbers_of_pushes_makes_every_session_compare_heads() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.push_numbered(1, vec![], false).await;
    system.store(CONV, 2, "its push was number 2");
    system.push_numbered(3, vec![], false).await;
    assert!(ada.line().await.ends_with("text=its push was number 2"));
}

#[tokio::test]
async fn a_push_that_was_given_up_is_noticed_at_the_next_renewal() {
    let system = System::with(|config| config.routes.renew_interval_ms = 10).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.store(CONV, 2, "never pushed");
    system.fakes.state().last_push = 1;
    assert!(ada.line().await.ends_with("text=never pushed"));
}

#[tokio::test]
async fn a_number_that_is_repeated_and_never_came_makes_every_session_compare_heads() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.push_numbered(0, vec![], false).await;
    system.store(CONV, 2, "given up");
    system.push_numbered(1, vec![], false).await;
    assert!(ada.line().await.ends_with("text=given up"));
}

/// An im-presence was killed with a push in its queue.
#[tokio::test]
async fn an_im_presence_that_falls_silent_makes_every_session_compare_heads() {
    let system = System::with(|config| config.routes.silence_ms = 100).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.push_numbered(0, vec![], false).await;
    system.store(CONV, 2, "in its queue");
    assert!(ada.line().await.ends_with("text=in its queue"));
}

#[tokio::test]
async fn a_resync_makes_every_session_compare_heads() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.store(CONV, 2, "before the restart");
    system.push_numbered(1, vec![], true).await;
    assert!(ada.line().await.ends_with("text=before the restart"));
}

#[tokio::test]
async fn routes_that_im_presence_lost_are_bound_again_and_then_heads_are_compared() {
    let system = System::with(|config| config.routes.renew_interval_ms = 10).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    system.until("renewed once", |state| state.renewals > 0).await;
    system.asked();
    {
        let mut state = system.fakes.state();
        state.routes.clear();
        state.presence_boot_id = "q".to_owned();
    }
    system.store(CONV, 2, "while nobody knew the route");
    assert!(ada.line().await.ends_with("text=while nobody knew the route"));
    system.until("bound again", |state| state.routes.contains_key(&(1, "text".to_owned()))).await;
    let renewals = system.fakes.state().renewals;
    system.until("renewed on", |state| state.renewals > renewals + 10).await;
    let binds = system.asked().into_iter().filter(|it| matches!(it, Asked::Bind { .. }));
    // A renewal that was under way when the route was bound may have found it missing still.
    assert!((1..=2).contains(&binds.count()), "and then all is well");
}

/// Its gateway was frozen when it was fenced, so nobody has told it.
#[tokio::test]
async fn a_session_whose_route_a_later_one_has_ends_instead_of_taking_it_back() {
    let system = System::with(|config| config.routes.renew_interval_ms = 10).await;
    let mut ada = system.register("ada").await;
    {
        let mut state = system.fakes.state();
        let since_ms = state.next_since_ms();
        let route = state.routes.get_mut(&(1, "text".to_owned())).unwrap();
        route.session_id = "at another gateway".to_owned();
        route.since_ms = since_ms;
    }
    assert_eq!(ada.lines(2).await, ["-ERR closing logged in elsewhere", "closed"]);
    assert_eq!(
        system.fakes.state().routes[&(1, "text".to_owned())].session_id,
        "at another gateway"
    );
}

#[tokio::test]
async fn a_push_for_another_boot_of_the_gateway_is_refused() {
    let mut system = System::start().await;
    let _ada = system.register("ada").await;
    let entry = system.store(CONV, 2, "hi");
    let push = Push {
        content: Some(Content::Entry(entry.clone())),
        recipients: vec![1],
        ..Push::default()
    };
    let request = PushReq {
        link_boot_id: "p".to_owned(),
        number: 1,
        pushes: vec![push],
        resync: false,
        gateway_boot_id: "a former one".to_owned(),
        closing: false,
    };
    let answer = system.gateway.push(&Context::with_timeout(SOON), request).await.unwrap();
    assert!(!answer.result.unwrap().is_ok());
    assert_eq!(answer.reached, 0);
    assert_eq!(system.push(&[&entry], &[1]).await.reached, 1);
}

#[tokio::test]
async fn what_could_not_be_fetched_is_fetched_later() {
    let mut system = System::with(|config| config.calls.retry_ms = 10).await;
    let mut ada = system.register("ada").await;
    let down = Status::unavailable("down");
    for operation in ["get_positions", "fetch_range", "list_behind"] {
        system.fakes.fault(operation, Fault::Fails(3, down.clone()));
    }
    let entry = system.store(CONV, 2, "hi");
    system.push(&[&entry], &[1]).await;
    assert!(ada.line().await.ends_with("text=hi"));
}

#[tokio::test]
async fn cursors_that_could_not_be_written_are_written_later() {
    let mut system = System::with(|config| {
        config.session.cursor_interval_ms = 5;
        config.calls.retry_ms = 10;
    })
    .await;
    let mut ada = system.register("ada").await;
    system.fakes.fault("advance_cursors", Fault::Fails(3, Status::unavailable("down")));
    let entry = system.store(CONV, 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    system.cursor(1, CONV, 1).await;
}

/// A reset says that the client threw away what it had not read, though its kernel had it.
#[tokio::test]
async fn what_a_client_had_not_read_when_it_reset_the_connection_comes_again_with_the_same_id() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    // The first tick passes, so that no other writes cursors in this test.
    let read = system.store(CONV, 2, "read");
    system.push(&[&read], &[1]).await;
    assert!(ada.line().await.ends_with("text=read"));
    let unread = system.store(CONV, 2, "unread");
    system.push(&[&unread], &[1]).await;
    let mut stream = ada.into_stream();
    stream.readable().await.unwrap();
    // What goes the other way acknowledges it to the kernel of the gateway.
    stream.write_all(b"PING\n").await.unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    system.until("unbound", |state| state.routes.is_empty()).await;
    let mut ada = system.log_in("ada").await;
    let lines = ada.ask_all("PULL").await;
    let again: Vec<&String> = lines.iter().filter(|line| line.ends_with("text=unread")).collect();
    assert_eq!(again, [&format!("MSG id={} from=2 ts=1000 text=unread", unread.msg_id)]);
}

#[tokio::test]
async fn what_a_client_has_read_before_it_closes_does_not_come_again() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    let entry = system.store(CONV, 2, "read");
    system.push(&[&entry], &[1]).await;
    assert!(ada.line().await.ends_with("text=read"));
    drop(ada);
    system.cursor(1, CONV, 1).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_loses_nothing_and_holds_up_nobody() {
    let mut system = System::with(|config| {
        config.session.window_bytes_max = 64 << 10;
        config.session.stalled_ms = 300;
    })
    .await;
    let silent = system.register("silent").await;
    let mut reader = system.register("reader").await;
    system.fakes.state().append("grp_1", 3, EntryKind::Joined, "");
    // Both are members of the group.
    let mut owner = system.register("owner").await;
    owner.ask("CREATEGROUP team").await;
    for user_id in [1, 2] {
        system.fakes.state().join(1, user_id);
    }
    let text = "x".repeat(4_000);
    for number in 0..2_000 {
        let entry = system.store("grp_1", 3, &format!("{number} {text}"));
        system.push(&[&entry], &[1, 2]).await;
        // Often, since what is stalled for so long is cut off, too.
        if number % 10 == 9 {
            let lines = reader.lines(10).await;
            assert!(texts(&lines)[9].starts_with(&format!("{number} ")));
        }
    }
    system.until("cut off", |state| !state.routes.contains_key(&(1, "text".to_owned()))).await;
    drop(silent);
    let cursor = system.fakes.state().cursors.get(&(1, "grp_1".to_owned())).copied().unwrap_or(0);
    assert!(cursor < 2_001, "it cannot have got all of it: {cursor}");
    let mut silent = system.log_in("silent").await;
    let lines = silent.ask_all("PULL").await;
    let last = lines.len() - 1;
    assert_eq!(lines[last], "+OK pull_done");
    let first = usize::try_from(cursor).unwrap().saturating_sub(1);
    let numbers: Vec<usize> = texts(&lines[..last])
        .iter()
        .map(|text| text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (first..2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_whose_calls_hang_is_closed_in_time() {
    let mut system = System::with(|config| config.calls.hand_over_ms = 100).await;
    let mut ada = system.register("ada").await;
    let frozen = Arc::new(Semaphore::new(0));
    system.fakes.fault("advance_cursors", Fault::Waits(Arc::clone(&frozen)));
    system.fakes.fault("unbind_route", Fault::Waits(frozen));
    let entry = system.store(CONV, 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    system.close_session(1).await;
    assert_eq!(ada.line().await, "-ERR closing logged in elsewhere");
}

#[tokio::test]
async fn whoever_fences_a_session_waits_for_its_cursors_and_for_nothing_else() {
    let mut system = System::with(|config| config.calls.hand_over_ms = 600_000).await;
    let mut ada = system.register("ada").await;
    let frozen = Arc::new(Semaphore::new(0));
    system.fakes.fault("unbind_route", Fault::Waits(Arc::clone(&frozen)));
    let entry = system.store(CONV, 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    let closed = tokio::time::timeout(Duration::from_secs(60), system.close_session(1)).await;
    closed.expect("although the route cannot be unbound");
    frozen.add_permits(1);
}

#[tokio::test]
async fn a_flood_of_pushes_overflows_the_mailbox_and_is_still_shown_in_order() {
    let mut system = System::with(|config| {
        config.session.mailbox_max = 2;
        config.session.window_messages_max = 8;
        config.session.window_bytes_max = 1_024;
    })
    .await;
    let mut ada = system.register("ada").await;
    let entries: Vec<_> = (0..500).map(|at| system.store(CONV, 2, &at.to_string())).collect();
    let other: Vec<_> = (0..500).map(|at| system.store("c2c_1_3", 3, &at.to_string())).collect();
    for (one, two) in entries.iter().zip(&other) {
        system.push(&[one, two], &[1]).await;
    }
    let lines = ada.lines(1_000).await;
    let expected: Vec<String> = (0..500).map(|at| at.to_string()).collect();
    for from in [2, 3] {
        let from = format!(" from={from} ");
        let of: Vec<String> = lines.iter().filter(|line| line.contains(&from)).cloned().collect();
        assert_eq!(texts(&of), expected);
    }
}
