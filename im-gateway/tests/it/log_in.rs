//! How sessions begin and end.

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::sync::Semaphore;

use crate::client::{Client, texts};
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

#[tokio::test]
async fn missed_messages_come_on_their_own_in_order_and_a_second_pull_is_empty() {
    let system = System::with(|config| config.session.page_messages = 7).await;
    system.register("ada").await.ask("LOGOUT").await;
    for number in 0..50 {
        system.store("c2c_1_2", 2, &format!("direct {number}"));
        system.store("c2c_1_3", 3, &format!("other {number}"));
        system.store("c2c_1_4", 4, &format!("third {number}"));
    }
    let mut ada = system.log_in("ada").await;
    let lines = ada.lines(150).await;
    for (from, name) in [(2, "direct"), (3, "other"), (4, "third")] {
        let from = format!(" from={from} ");
        let of: Vec<String> = lines.iter().filter(|line| line.contains(&from)).cloned().collect();
        let expected: Vec<String> = (0..50).map(|number| format!("{name} {number}")).collect();
        assert_eq!(texts(&of), expected);
    }
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn everything_that_waits_stands_before_pull_done() {
    let system = System::start().await;
    system.register("ada").await.ask("LOGOUT").await;
    for number in 0..1_000 {
        system.store("c2c_1_2", 2, &number.to_string());
    }
    let mut ada = system.connect().await;
    ada.send(b"LOGIN ada password\nPULL\nPULL\n").await;
    assert_eq!(ada.line().await, "+OK uid=1");
    let lines = ada.lines(1_000).await;
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(texts(&lines), expected);
    assert_eq!(ada.lines(2).await, ["+OK pull_done", "+OK pull_done"]);
}

#[tokio::test]
async fn the_route_is_bound_before_heads_are_compared_and_a_push_meanwhile_hides_nothing() {
    let mut system = System::start().await;
    system.register("ada").await.ask("LOGOUT").await;
    system.store("c2c_1_2", 2, "older");
    system.asked();
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("list_behind", Fault::Waits(Arc::clone(&gate)));
    let mut ada = system.log_in("ada").await;
    system.until("heads are compared", |state| state.asked.contains(&Asked::Behind(1))).await;
    let asked = system.asked();
    assert!(matches!(asked[..], [Asked::Login(_), Asked::Bind { .. }, Asked::Behind(1)]));
    let newer = system.store("c2c_1_2", 2, "newer");
    assert_eq!(system.push(&[&newer], &[1]).await.reached, 1);
    gate.add_permits(10);
    assert_eq!(texts(&ada.lines(2).await), ["older", "newer"]);
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn what_was_delivered_does_not_come_again_after_a_log_in() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let entry = system.store("c2c_1_2", 2, "once");
    system.push(&[&entry], &[1]).await;
    assert!(ada.line().await.ends_with("text=once"));
    assert_eq!(ada.ask("LOGOUT").await, "+OK logout success");
    assert_eq!(ada.ask("LOGIN ada password").await, "+OK uid=1");
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
}

#[tokio::test]
async fn a_log_out_revokes_the_token_hands_over_and_unbinds_in_this_order() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    let entry = system.store("c2c_1_2", 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    system.asked();
    assert_eq!(ada.ask("LOGOUT").await, "+OK logout success");
    let asked = system.asked();
    let moves = vec![("c2c_1_2".to_owned(), 1)];
    assert!(
        matches!(&asked[..], [Asked::Revoke(token), advance, Asked::Unbind { user_id: 1, .. }]
            if token == "token-ada" && *advance == Asked::Advance { user_id: 1, moves }),
        "{asked:?}"
    );
    let entry = system.store("c2c_1_2", 2, "later");
    let request = mpim_proto::Push {
        content: Some(mpim_proto::push::Content::Entry(entry)),
        recipients: vec![1],
        ..mpim_proto::Push::default()
    };
    // Somebody has to be logged in for the gateway's boot id to be known.
    let _bob = system.register("bob").await;
    assert_eq!(system.push_all(vec![request]).await.reached, 0);
    assert_eq!(ada.ask("WHOAMI").await, "-ERR not login");
}

#[tokio::test]
async fn a_log_out_is_carried_out_although_the_client_resets_the_connection_meanwhile() {
    let mut system = System::with(|config| {
        config.session.cursor_interval_ms = 60_000;
        config.calls.hand_over_ms = 10_000;
        config.text.connections_max = 1;
    })
    .await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    let entry = system.store("c2c_1_2", 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("unbind_route", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"LOGOUT\n").await;
    system.cursor(1, "c2c_1_2", 1).await;
    let stream = ada.into_stream();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    // There is a place again once the gateway has noticed.
    while !Client::connect(system.addr).await.1.starts_with("+OK welcome") {}
    gate.add_permits(1);
    system.until("unbound", |state| state.routes.is_empty()).await;
}

#[tokio::test]
async fn a_second_log_in_on_a_connection_ends_the_first_session() {
    let mut system = System::start().await;
    let mut client = system.register("ada").await;
    let _ = system.register("bob").await.ask("LOGOUT").await;
    system.asked();
    assert_eq!(client.ask("LOGIN bob wrong").await, "-ERR auth bad cred");
    assert_eq!(client.ask("WHOAMI").await, "+OK uid=1", "a failed one changes nothing");
    assert_eq!(client.ask("LOGIN bob password").await, "+OK uid=2");
    assert_eq!(client.ask("WHOAMI").await, "+OK uid=2");
    let asked = system.asked();
    let at = |wanted: &dyn Fn(&Asked) -> bool| asked.iter().position(wanted).unwrap();
    let unbound = at(&|it| matches!(it, Asked::Unbind { user_id: 1, .. }));
    let bound = at(&|it| matches!(it, Asked::Bind { user_id: 2, .. }));
    assert!(unbound < bound);
    assert!(asked.contains(&Asked::Revoke("token-ada".to_owned())));
    let entry = system.store("c2c_1_3", 3, "for ada");
    assert_eq!(system.push(&[&entry], &[1]).await.reached, 0);
}

#[tokio::test]
async fn a_log_in_of_the_same_user_again_shows_nothing_again() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let entry = system.store("c2c_1_2", 2, "once");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    assert_eq!(ada.ask("LOGIN ada password").await, "+OK uid=1");
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    let entry = system.store("c2c_1_2", 2, "twice");
    assert_eq!(system.push(&[&entry], &[1]).await.reached, 1);
    assert!(ada.line().await.ends_with("text=twice"));
}

#[tokio::test]
async fn a_fenced_session_is_closed_with_the_reason_once_its_cursors_are_handed_over() {
    let mut system = System::with(|config| config.session.cursor_interval_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    let entry = system.store("c2c_1_2", 2, "hi");
    system.push(&[&entry], &[1]).await;
    ada.line().await;
    assert_eq!(ada.ask("PING").await, "+OK pong");
    system.close_session(1).await;
    assert_eq!(system.fakes.state().cursors[&(1, "c2c_1_2".to_owned())], 1, "before the answer");
    assert_eq!(ada.lines(2).await, ["-ERR closing logged in elsewhere", "closed"]);
}

#[tokio::test]
async fn a_session_is_closed_as_the_older_one_of_its_device_only_if_it_is_older() {
    let system = System::start().await;
    let (mut ada, mut bob) = (system.register("ada").await, system.register("bob").await);
    let since_ms = system.fakes.state().routes[&(1, "text".to_owned())].since_ms;
    system.close_older(1, since_ms).await;
    assert_eq!(ada.ask("PING").await, "+OK pong");
    system.close_older(1, since_ms + 1).await;
    assert_eq!(ada.lines(2).await, ["-ERR closing logged in elsewhere", "closed"]);
    assert_eq!(bob.ask("PING").await, "+OK pong");
}

#[tokio::test]
async fn the_end_of_a_connection_unbinds_its_route() {
    let system = System::start().await;
    let ada = system.register("ada").await;
    system.until("bound", |state| !state.routes.is_empty()).await;
    drop(ada);
    system.until("unbound", |state| state.routes.is_empty()).await;
}

/// The log-out unbinds the route before it is bound.
#[tokio::test]
async fn a_log_out_while_a_lost_route_is_bound_again_leaves_no_route_behind() {
    let system = System::with(|config| {
        config.routes.renew_interval_ms = 10;
        config.calls.timeout_ms = 60_000;
    })
    .await;
    let mut ada = system.register("ada").await;
    system.asked();
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("bind_route", Fault::Waits(Arc::clone(&gate)));
    system.fakes.state().routes.clear();
    let binds = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Bind { .. }));
    system.until("the route is being bound again", binds).await;
    assert_eq!(ada.ask("LOGOUT").await, "+OK logout success");
    gate.add_permits(1);
    let unbound = |it: &&Asked| matches!(it, Asked::Unbind { user_id: 1, .. });
    let twice = |state: &State| state.asked.iter().filter(unbound).count() >= 2;
    system.until("the route is unbound again", twice).await;
    assert!(system.fakes.state().routes.is_empty());
}

#[tokio::test]
async fn a_log_in_without_a_route_is_no_log_in() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    ada.ask("LOGOUT").await;
    let down = mprpc::Status::unavailable("down");
    system.fakes.fault("bind_route", Fault::Fails(usize::MAX, down));
    assert_eq!(ada.ask("LOGIN ada password").await, "-ERR unavailable, try again");
    assert_eq!(ada.ask("WHOAMI").await, "-ERR not login");
    assert!(system.asked().contains(&Asked::Revoke("token-ada".to_owned())));
    system.fakes.heal();
    assert_eq!(ada.ask("LOGIN ada password").await, "+OK uid=1");
}
