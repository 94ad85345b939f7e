//! Log-ins that ended while they had something open.

use std::sync::Arc;

use mpim_proto::EndedLogIns;
use mprpc::Status;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

const ONE: &str = "0123456789abcdef0123456789abcdef";
const TWO: &str = "1123456789abcdef0123456789abcdef";

/// Where ada has registered: her log-ins are named from then on.
async fn system() -> System {
    let system = System::start().await;
    system.register("ada").await.ask("LOGOUT").await;
    system
}

/// Somebody's log-in with that id.
async fn log_in(system: &System, name: &str, device: &str, log_in_id: &str) -> Client {
    system.fakes.state().log_in_id = log_in_id.to_owned();
    let mut client = system.connect().await;
    client.ask(&format!("DEVICE {device}")).await;
    let said = client.ask(&format!("LOGIN {name} password")).await;
    assert!(said.starts_with("+OK uid="), "{said}");
    client
}

fn one(user_id: i64, log_in_id: &str) -> EndedLogIns {
    let (login_id, reason) = (log_in_id.to_owned(), "logged out".to_owned());
    EndedLogIns { user_id, login_id, reason, ..EndedLogIns::default() }
}

#[tokio::test]
async fn what_a_log_in_has_open_ends_with_it_and_nothing_else_does() {
    let system = system().await;
    let mut web = log_in(&system, "ada", "web:a", ONE).await;
    let mut mobile = log_in(&system, "ada", "mobile:a", ONE).await;
    let mut other = log_in(&system, "ada", "web:b", TWO).await;
    let mut unnamed = log_in(&system, "ada", "web:c", "").await;
    system.close_log_ins(one(2, ONE)).await;
    system.close_log_ins(one(1, &ONE.to_uppercase().replace('A', "B"))).await;
    assert_eq!(web.ask("PING").await, "+OK pong", "somebody else's, or another");
    system.close_log_ins(one(1, ONE)).await;
    for ended in [&mut web, &mut mobile] {
        assert_eq!(ended.line().await, "-ERR closing logged out");
    }
    assert_eq!(other.ask("PING").await, "+OK pong");

    let reason = "logged out everywhere".to_owned();
    let all = EndedLogIns { user_id: 1, epoch_max: 1, reason, ..EndedLogIns::default() };
    let but_for_one = EndedLogIns { except_login_id: TWO.to_owned(), ..all.clone() };
    system.close_log_ins(but_for_one).await;
    assert_eq!(unnamed.line().await, "-ERR closing logged out everywhere");
    assert_eq!(other.ask("PING").await, "+OK pong");
    system.close_log_ins(all).await;
    assert_eq!(other.line().await, "-ERR closing logged out everywhere");
}

/// It was good when im-user was asked, and whoever ends it tells those gateways that have it.
#[tokio::test]
async fn a_session_that_is_only_beginning_ends_with_its_log_in() {
    let system = system().await;
    system.asked();
    system.fakes.state().log_in_id = ONE.to_owned();
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("bind_route", Fault::Waits(Arc::clone(&gate)));
    let mut ada = system.connect().await;
    ada.send(b"LOGIN ada password\n").await;
    let binds = |state: &State| state.asked.iter().any(|it| matches!(it, Asked::Bind { .. }));
    system.until("its route is being bound", binds).await;
    system.close_log_ins(one(1, ONE)).await;
    gate.add_permits(1);
    assert_eq!(ada.line().await, "+OK uid=1");
    assert_eq!(ada.line().await, "-ERR closing logged out");
}

#[tokio::test]
async fn who_logs_out_is_answered_first_though_their_gateway_is_told_sooner() {
    let system = system().await;
    let mut ada = log_in(&system, "ada", "text", ONE).await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("logout", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"LOGOUT\n").await;
    // Without its token.
    let asked = Asked::RevokeLogIn(ONE.to_owned());
    system.until("im-user is asked", |state| state.asked.contains(&asked)).await;
    system.close_log_ins(one(1, ONE)).await;
    gate.add_permits(1);
    assert_eq!(ada.line().await, "+OK logout success");
    system.fakes.heal();
    assert_eq!(ada.ask("LOGIN ada password").await, "+OK uid=1", "the connection goes on");
}

#[tokio::test]
async fn a_log_out_that_failed_though_it_happened_is_found_out() {
    let system = system().await;
    let mut ada = log_in(&system, "ada", "text", ONE).await;
    system.fakes.state().ended.insert(ONE.to_owned());
    system.fakes.fault("logout", Fault::Fails(1, Status::unavailable("gone")));
    assert_eq!(ada.ask("LOGOUT").await, "-ERR unavailable, try again");
    assert_eq!(ada.line().await, "-ERR closing logged out");
}
