//! What is told and not kept, and that messages do not notice it.

use std::sync::Arc;

use mpim_proto::event::Content;
use mpim_proto::{
    Event, EventDelivery, GetStatusesReq, PushEventsReq, TypingEvent, UserStatus, signal_req,
};
use mprpc::{Context, Status};
use tokio::sync::Semaphore;

use crate::client::{SOON, texts};
use crate::fakes::{Asked, Fault};
use crate::system::System;

impl System {
    /// As im-presence tells of who is typing.
    async fn push_typing(&self, from: impl Iterator<Item = i64>, group_id: i64, to: i64) {
        let typing = |from| Content::Typing(TypingEvent { from, group_id });
        let event = |from| EventDelivery {
            event: Some(Event { content: Some(typing(from)) }),
            recipients: vec![to, 99],
        };
        let (gateway_boot_id, events) = (self.boot_id(), from.map(event).collect());
        let request = PushEventsReq { gateway_boot_id, events };
        let answer = self.gateway.push_events(&Context::with_timeout(SOON), request).await;
        assert!(answer.unwrap().result.unwrap().is_ok());
    }
}

#[tokio::test]
async fn events_are_shown_to_a_session_from_when_it_asks_for_them_until_it_does_not() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    system.push_typing([2].into_iter(), 0, 1).await;
    assert_eq!(ada.ask("EVENTS on").await, "+OK events on", "nothing came before");
    system.push_typing([3].into_iter(), 0, 1).await;
    assert_eq!(ada.line().await, "TYPING from=3");
    system.push_typing([3].into_iter(), 4, 1).await;
    assert_eq!(ada.line().await, "TYPING from=3 group=4");
    assert_eq!(ada.ask("EVENTS off").await, "+OK events off");
    system.push_typing([5].into_iter(), 0, 1).await;
    assert_eq!(ada.ask("PING").await, "+OK pong");
}

#[tokio::test]
async fn events_of_another_boot_are_refused() {
    let system = System::start().await;
    let request = PushEventsReq { gateway_boot_id: "old".to_owned(), events: Vec::new() };
    let answer = system.gateway.push_events(&Context::with_timeout(SOON), request).await.unwrap();
    assert!(!answer.result.unwrap().is_ok());
}

#[tokio::test]
async fn typing_is_signalled_as_the_sessions_user() {
    let system = System::with(|config| config.calls.signal_timeout_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("TYPING 2").await, "+OK typing");
    assert_eq!(ada.ask("CREATEGROUP crew").await, "+OK group_id=1");
    assert_eq!(ada.ask("TYPING g1").await, "+OK typing");
    assert_eq!(ada.ask("TYPING g7").await, "-ERR not a member");
    let signals: Vec<_> = system
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Asked::Signal(signal) => Some((signal.from, signal.to.unwrap())),
            _ => None,
        })
        .collect();
    let (user, group) = (signal_req::To::ToUser, signal_req::To::ToGroup);
    assert_eq!(signals, [(1, user(2)), (1, group(1)), (1, group(7))]);
}

#[tokio::test]
async fn a_signal_that_is_not_answered_holds_up_no_message() {
    let system = System::with(|config| config.calls.signal_timeout_ms = 60_000).await;
    let mut ada = system.register("ada").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("signal", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"TYPING 1\nSEND 1 hi\n").await;
    system.until("stored", |state| state.timelines.contains_key("c2c_1_1")).await;
    gate.add_permits(1);
    assert_eq!(ada.lines(2).await, ["+OK typing", "+OK msg_id=1"]);
}

#[tokio::test]
async fn signals_are_dropped_and_not_refused_when_nobody_has_time_for_them() {
    let system = System::with(|config| {
        config.calls.signals_max = 1;
        config.session.signals_per_s = 3;
    })
    .await;
    let mut ada = system.register("ada").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("signal", Fault::Waits(Arc::clone(&gate)));
    ada.send(b"TYPING 2\nTYPING 2\nPING\n").await;
    let signals = |state: &crate::fakes::State| {
        state.asked.iter().filter(|asked| matches!(asked, Asked::Signal(_))).count()
    };
    system.until("one is under way", |state| signals(state) == 1).await;
    gate.add_permits(1);
    assert_eq!(ada.lines(3).await, ["+OK typing", "+OK typing", "+OK pong"]);
    assert_eq!(signals(&system.fakes.state()), 1, "the second one was dropped");
    system.fakes.fault("signal", Fault::Fails(9, Status::unavailable("down")));
    assert_eq!(ada.ask("TYPING 2").await, "+OK typing");
    // Many at once: on a busy machine one more may come when a second has passed.
    ada.send(&b"TYPING 2\n".repeat(20)).await;
    let lines = ada.lines(20).await;
    assert!(lines.iter().any(|line| line == "-ERR slow down"), "more than three: {lines:?}");
}

/// However many events come, the window that messages share stays theirs: a client that does not
/// read them misses events, and gets every message.
#[tokio::test]
async fn a_flood_of_events_displaces_no_message() {
    let mut system = System::with(|config| {
        config.session.events_bytes_max = 1 << 10;
        config.session.window_bytes_max = 64 << 10;
        config.session.mailbox_max = 100;
        config.session.stalled_ms = 60_000;
    })
    .await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("EVENTS on").await, "+OK events on");
    let _bob = system.register("bob").await;
    let mut entries = Vec::new();
    for number in 0..100 {
        system.push_typing(1_000_000..1_000_300, 0, 1).await;
        let entry = system.store("c2c_1_2", 2, &number.to_string());
        system.push(&[&entry], &[1]).await;
        entries.push(entry);
        system.push_typing(1_000_000..1_000_300, 0, 1).await;
    }
    let mut shown = Vec::new();
    let mut events = 0;
    while shown.len() < entries.len() {
        let line = ada.line().await;
        if line.starts_with("TYPING") { events += 1 } else { shown.push(line) }
    }
    let texts = texts(&shown);
    assert_eq!(texts, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(events < 60_000 / 2, "{events} events were shown to somebody who did not read");
}

#[tokio::test]
async fn a_status_is_the_sessions_and_is_told_when_im_presence_asks() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let statuses = async |gateway_boot_id: String| {
        let request = GetStatusesReq { gateway_boot_id, user_ids: vec![1, 2] };
        let cx = Context::with_timeout(SOON);
        let answer = system.gateway.get_statuses(&cx, request).await.unwrap();
        let users = answer.users.iter().map(|user| (user.user_id, user.status()));
        (answer.result.as_ref().unwrap().is_ok(), users.collect::<Vec<_>>())
    };
    assert_eq!(statuses(system.boot_id()).await, (true, vec![(1, UserStatus::Online)]));
    assert_eq!(ada.ask("STATUS busy").await, "+OK status busy");
    assert!(system.asked().contains(&Asked::StatusChanged(1)));
    assert_eq!(statuses(system.boot_id()).await, (true, vec![(1, UserStatus::Busy)]));
    assert_eq!(statuses("old".to_owned()).await, (false, Vec::new()));
    // Whether im-presence hears of it is not what the client is told.
    system.fakes.fault("status_changed", Fault::Fails(1, Status::unavailable("down")));
    assert_eq!(ada.ask("STATUS away").await, "+OK status away");
    assert_eq!(statuses(system.boot_id()).await.1, [(1, UserStatus::Away)]);
    assert_eq!(ada.ask("PRESENCE 1").await, "+OK presence uid=1 status=away");
    assert_eq!(ada.ask("PRESENCE 2").await, "-ERR not a friend");
    system.fakes.fault("get_presence", Fault::Fails(1, Status::unavailable("down")));
    assert_eq!(ada.ask("PRESENCE 1").await, "-ERR unavailable, try again");
}
