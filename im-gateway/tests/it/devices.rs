//! Several devices of a user.

use std::sync::Arc;

use mpim_proto::CloseSessionReq;
use mprpc::Status;
use tokio::sync::Semaphore;

use crate::client::texts;
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

#[tokio::test]
async fn a_connection_says_which_device_it_is_before_it_logs_in() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    let too_long = format!("web:{}", "x".repeat(65));
    for (said, reply) in [
        ("DEVICE", "-ERR DEVICE <class>:<id>"),
        ("DEVICE ", "-ERR DEVICE <class>:<id>"),
        ("DEVICE phone:a", "-ERR bad device"),
        ("DEVICE web:", "-ERR bad device"),
        ("DEVICE web:a b", "-ERR bad device"),
        (&format!("DEVICE {too_long}"), "-ERR bad device"),
        ("DEVICE Web:a", "-ERR bad device"),
        ("DEVICE web:é", "-ERR bad device"),
        ("DEVICE web:a", "+OK device web:a"),
        ("DEVICE :", "-ERR bad device"),
        ("REGISTER ada password", "+OK uid=1"),
        ("DEVICE web:b", "-ERR already logged in"),
    ] {
        assert_eq!(ada.ask(said).await, reply, "{said}");
    }
    let bound: Vec<_> = system.fakes.state().routes.keys().cloned().collect();
    assert_eq!(bound, [(1, "web:a".to_owned())], "what was refused changed nothing");
}

#[tokio::test]
async fn other_devices_get_a_copy_of_what_one_sends_and_each_has_its_cursor() {
    let mut system = System::start().await;
    let mut text = system.register("ada").await;
    let mut bob = system.register("bob").await;
    let mut mobile = system.connect().await;
    assert_eq!(mobile.ask("DEVICE mobile:a").await, "+OK device mobile:a");
    assert_eq!(mobile.ask("LOGIN ada password").await, "+OK uid=1");
    let all = "+OK devices: mobile:a online, text online, web:old offline";
    assert_eq!(text.ask("DEVICES").await, all);
    assert_eq!(mobile.ask("SEND 2 from the mobile").await, "+OK msg_id=1");
    let sent = system.fakes.state().timelines["c2c_1_2"][0].clone();
    assert_eq!(system.push(&[&sent], &[1, 2]).await.reached, 3);
    let copy = "MSG id=1 from=1 to=2 ts=1000 text=from the mobile";
    assert_eq!(text.line().await, copy);
    assert_eq!(bob.line().await, "MSG id=1 from=1 ts=1000 text=from the mobile");
    assert_eq!(mobile.ask("PULL").await, "+OK pull_done", "no copy for itself");
    assert_eq!(text.ask("SEND 2 from the text").await, "+OK msg_id=2");
    // Nobody pushes that one: it is fetched, and the sender's own is passed over then, too.
    let later = system.store("c2c_1_2", 2, "an answer");
    system.push(&[&later], &[1]).await;
    assert_eq!(texts(&mobile.lines(2).await), ["from the text", "an answer"]);
    assert_eq!(texts(&text.lines(1).await), ["an answer"]);
    system.cursor(1, "c2c_1_2", 3).await;
    system.cursor(1, "mobile:a c2c_1_2", 3).await;
}

#[tokio::test]
async fn a_user_puts_out_a_device_that_they_have() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    assert_eq!(ada.ask("REVOKE text").await, "-ERR not login");
    let mut ada = system.register("ada").await;
    for (said, reply) in [
        ("REVOKE", "-ERR REVOKE <device>"),
        ("REVOKE web:new", "-ERR no such device"),
        ("REVOKE web:old", "+OK revoked"),
    ] {
        assert_eq!(ada.ask(said).await, reply, "{said}");
    }
}

#[tokio::test]
async fn who_puts_their_own_device_out_is_told_so_before_they_are_closed() {
    let system = System::with(|config| {
        config.calls.hand_over_ms = 10_000;
        config.calls.timeout_ms = 60_000;
    })
    .await;
    let mut ada = system.register("ada").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("revoke_device", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"REVOKE web:old\n").await;
    let asked = Asked::PutOut("web:old".to_owned());
    system.until("im-user has it", |state| state.asked.contains(&asked)).await;
    // As im-presence does once im-user has stored it; the answer is slower.
    let (boot_id, device) = (system.boot_id(), "text".to_owned());
    let reason = "device revoked".to_owned();
    let all = CloseSessionReq { boot_id, user_id: 1, device, reason, ..CloseSessionReq::default() };
    system.close_all(all).await;
    gate.add_permits(1);
    assert_eq!(ada.lines(3).await, ["+OK revoked", "-ERR closing device revoked", "closed"]);
}

/// As im-presence closes the sessions of a device that was revoked.
#[tokio::test]
async fn of_a_revoked_device_only_sessions_up_to_its_generation_are_closed() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    system.fakes.state().generation = 2;
    let mut later = system.connect().await;
    assert_eq!(later.ask("DEVICE web:a").await, "+OK device web:a");
    assert_eq!(later.ask("LOGIN ada password").await, "+OK uid=1");
    let revoke = |device: &str, generation_max| CloseSessionReq {
        boot_id: system.boot_id(),
        user_id: 1,
        device: device.to_owned(),
        reason: "device revoked".to_owned(),
        generation_max,
        ..CloseSessionReq::default()
    };
    system.close_all(revoke("web:a", 1)).await;
    assert_eq!(later.ask("PING").await, "+OK pong", "one that came back under the name");
    system.close_all(revoke("web:a", 2)).await;
    assert_eq!(later.lines(2).await, ["-ERR closing device revoked", "closed"]);
    assert_eq!(ada.ask("PING").await, "+OK pong", "another device");
}

#[tokio::test]
async fn who_is_revoked_while_they_log_in_does_not_get_in() {
    let system = System::start().await;
    let _ada = system.register("ada").await;
    system.fakes.state().worthless.insert("token-ada".to_owned());
    let mut late = system.connect().await;
    assert_eq!(late.ask("DEVICE web:a").await, "+OK device web:a");
    assert_eq!(late.ask("LOGIN ada password").await, "-ERR auth logged out");
    assert_eq!(late.ask("WHOAMI").await, "-ERR not login");
    let bound = |state: &State| state.routes.contains_key(&(1, "web:a".to_owned()));
    assert!(!bound(&system.fakes.state()), "it has no route");
}

/// Its token has grown old, or was made by an im-user whose clock is ahead.
#[tokio::test]
async fn a_token_that_is_good_at_another_time_begins_a_session_and_binds_a_lost_route() {
    for said in ["token expired", "token not yet valid"] {
        let system = System::with(|config| config.routes.renew_interval_ms = 10).await;
        system.fakes.state().token_time = Some(said);
        let mut ada = system.register("ada").await;
        let gate = Arc::new(Semaphore::new(0));
        system.fakes.fault("verify_token", Fault::Waits(Arc::clone(&gate)));
        system.fakes.state().routes.clear();
        gate.add_permits(1);
        system.until("it was asked", |_| gate.available_permits() == 0).await;
        let bound = |state: &State| state.routes.contains_key(&(1, "text".to_owned()));
        system.until("the route is bound again", bound).await;
        assert_eq!(ada.ask("PULL").await, "+OK pull_done", "{said}");
        assert_eq!(ada.ask("WHOAMI").await, "+OK uid=1", "{said}");
    }
}

/// Nobody could tell its gateway, whose routes were lost.
#[tokio::test]
async fn a_session_that_was_revoked_ends_instead_of_binding_a_lost_route() {
    let system = System::with(|config| {
        config.routes.renew_interval_ms = 10;
        config.calls.retry_ms = 10;
    })
    .await;
    let (mut ada, mut bob) = (system.register("ada").await, system.register("bob").await);
    {
        let mut state = system.fakes.state();
        state.worthless.insert("token-ada".to_owned());
        let away = Status::unavailable("im-user is away");
        state.faults.insert("verify_token", Fault::Fails(3, away));
        state.routes.clear();
    }
    assert_eq!(ada.lines(2).await, ["-ERR closing logged out", "closed"], "once im-user is back");
    assert_eq!(bob.ask("PULL").await, "+OK pull_done", "whoever was not goes on");
}
