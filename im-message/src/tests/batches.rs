//! Lanes: what becomes a batch, what a full lane does, and what happens to those who go away.

use mpim_proto::message_service::Server as _;
use mpim_proto::{Outgoing, Priority, SendBatchReq, send_batch_req};
use mprpc::Code;

use super::*;

fn batch(from: i64, to: i64, texts: &[&str]) -> SendBatchReq {
    let outgoing =
        |text: &&str| Outgoing { client_msg_id: format!("id of {text}"), text: (*text).to_owned() };
    SendBatchReq {
        from,
        to: Some(send_batch_req::To::ToUser(to)),
        messages: texts.iter().map(outgoing).collect(),
        ..SendBatchReq::default()
    }
}

fn message(from: i64, to: i64, text: &str) -> SendReq {
    let msg = C2cMsg { from, to, text: text.to_owned(), ..C2cMsg::default() };
    SendReq { msg: Some(msg), ..SendReq::default() }
}

/// The texts of the conversation of 1 and 2.
async fn texts(world: &World) -> Vec<String> {
    let request = mpim_proto::FetchRangeReq {
        user_id: 1,
        conv_id: "c2c_1_2".to_owned(),
        ..Default::default()
    };
    let range = world.service.fetch_range(&cx(), request).await.unwrap();
    range.entries.into_iter().map(|entry| entry.text).collect()
}

#[tokio::test(start_paused = true)]
async fn what_gathers_during_a_commit_is_the_next_batch() {
    let world = World::with_one_lane(Model::gated(), |_| {});
    let cx = cx();
    let mut first = Box::pin(world.service.send(&cx, message(1, 2, "first")));
    begin(&mut first).await;
    // The lane takes it, and waits at the gate.
    tokio::task::yield_now().await;
    let mut others = Vec::new();
    for n in 0..5 {
        let mut other = Box::pin(world.service.send(&cx, message(3 + n, 2, "other")));
        begin(&mut other).await;
        others.push(other);
    }
    begin(&mut first).await;
    world.store.allow_append();
    assert_eq!(said(first.await.unwrap().result), "ok");
    world.store.allow_append();
    for other in others {
        assert_eq!(said(other.await.unwrap().result), "ok");
    }
    assert_eq!(world.store.batch_lengths(), [1, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_no_more_callers_in_once_it_has_reached_its_bound() {
    let world = World::with_one_lane(Model::gated(), |config| config.lane.batch_entries_max = 3);
    let cx = cx();
    let requests = [&["a"][..], &["b", "c"], &["d", "e"], &["f"]];
    let mut calls = Vec::new();
    for (n, texts) in requests.iter().enumerate() {
        let mut call = Box::pin(world.service.send_batch(&cx, batch(1, 2, texts)));
        begin(&mut call).await;
        calls.push(call);
        if n == 0 {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..3 {
        world.store.allow_append();
    }
    for call in calls {
        assert_eq!(said(call.await.unwrap().result), "ok");
    }
    assert_eq!(world.store.batch_lengths(), [1, 4, 1], "a SendBatch stays in one piece");
    assert_eq!(texts(&world).await, ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_is_written_before_what_waits_to_other_conversations() {
    let world = World::with_one_lane(Model::gated(), |config| config.lane.batch_entries_max = 1);
    let cx = cx();
    let sends = [
        (1, 2, Priority::Normal),
        (3, 4, Priority::Low),
        (5, 6, Priority::Normal),
        (7, 8, Priority::Urgent),
        // In one conversation nothing overtakes.
        (5, 6, Priority::Urgent),
        (7, 8, Priority::Low),
    ];
    let mut calls = Vec::new();
    for (n, (from, to, priority)) in sends.into_iter().enumerate() {
        let request =
            SendBatchReq { priority: priority.into(), ..batch(from, to, &[&n.to_string()]) };
        let mut call = Box::pin(world.service.send_batch(&cx, request));
        begin(&mut call).await;
        calls.push(call);
    }
    calls.iter().for_each(|_| world.store.allow_append());
    let mut written = Vec::new();
    for (n, call) in calls.into_iter().enumerate() {
        written.push((call.await.unwrap().outcomes[0].msg_id, n));
    }
    written.sort_unstable();
    let order: Vec<usize> = written.iter().map(|(_, n)| *n).collect();
    assert_eq!(order, [0, 3, 5, 2, 4, 1], "the first was under way");
    // Whatever waits for im-presence takes turns once more.
    let delivered = || world.presence.taken().into_iter().flat_map(|taken| taken.deliveries);
    world.presence.until("all of them", |_| delivered().count() == sends.len()).await;
    let of = |delivery: mpim_proto::Delivery| {
        (delivery.entry.as_ref().unwrap().msg_id, delivery.priority())
    };
    let mut told: Vec<(i64, Priority)> = delivered().map(of).collect();
    told.sort_unstable();
    let with_priorities = written.iter().map(|(msg_id, n)| (*msg_id, sends[*n].2));
    assert_eq!(told, with_priorities.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_priority_that_there_is_not_is_refused() {
    let world = World::new();
    let request = SendBatchReq { priority: 4, ..batch(1, 2, &["a"]) };
    let status = world.service.send_batch(&cx(), request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let request = SendReq { priority: -1, ..message(1, 2, "a") };
    let status = world.service.send(&cx(), request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(world.send(1, 2, "a").await.seq, 1, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_refuses_at_once_and_takes_messages_again_when_it_has_room() {
    let world = World::with_one_lane(Model::gated(), |config| config.lane.queue_entries_max = 3);
    let cx = cx();
    let mut fills = Box::pin(world.service.send_batch(&cx, batch(1, 2, &["a", "b"])));
    begin(&mut fills).await;
    let refused = world.service.send_batch(&cx, batch(1, 2, &["c", "d"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    world.store.allow_append();
    assert_eq!(fills.await.unwrap().outcomes.len(), 2);
    world.store.allow_append();
    let taken = world.service.send_batch(&cx, batch(1, 2, &["c", "d"])).await.unwrap();
    assert_eq!(taken.outcomes[1].seq, 4);
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_caller_who_went_away_is_written_in_its_place() {
    let world = World::with_one_lane(Model::gated(), |_| {});
    let cx = cx();
    let mut gone = Box::pin(world.service.send_batch(&cx, batch(1, 2, &["of the one who left"])));
    begin(&mut gone).await;
    drop(gone);
    let mut stays = Box::pin(world.service.send_batch(&cx, batch(1, 2, &["what came after"])));
    begin(&mut stays).await;
    for _ in 0..2 {
        world.store.allow_append();
    }
    assert_eq!(stays.await.unwrap().outcomes[0].seq, 2);
    assert_eq!(texts(&world).await, ["of the one who left", "what came after"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_before_it_is_committed() {
    let world = World::with_one_lane(Model::gated(), |_| {});
    let short = Context::with_timeout(Duration::from_millis(50));
    let late = world.service.send(&short, message(1, 2, "slow")).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert_eq!(texts(&world).await, [""; 0]);
    assert!(world.presence.delivered().is_empty(), "told others of what is not committed");
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_fails_the_call_and_the_lane_goes_on() {
    let world = World::with_one_lane(Model::new(), |_| {});
    world.store.set_broken(true);
    let failed = world.service.send_batch(&cx(), batch(1, 2, &["a", "b"])).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    world.store.set_broken(false);
    let retried = world.service.send_batch(&cx(), batch(1, 2, &["a", "b"])).await.unwrap();
    assert_eq!(retried.outcomes.iter().map(|outcome| outcome.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_answered_message_by_message() {
    let world = World::new();
    let long = "x".repeat(4097);
    let request = batch(1, 2, &["a", "", &long, "b", "a"]);
    let outcomes = world.service.send_batch(&cx(), request).await.unwrap().outcomes;
    let numbers: Vec<_> = outcomes.iter().map(|outcome| outcome.seq).collect();
    assert_eq!(numbers, [1, 0, 0, 2, 1]);
    let said: Vec<_> = outcomes.into_iter().map(|outcome| said(outcome.result)).collect();
    assert_eq!(said, ["ok", "Invalid empty text", "TooLarge text too long", "ok", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_to_nobody_or_beyond_the_bound_is_a_bad_request() {
    let world = World::new();
    let nobody = SendBatchReq { to: None, ..batch(1, 2, &["a"]) };
    let many = batch(1, 2, &["a"; 257]);
    for request in [nobody, many] {
        let refused = world.service.send_batch(&cx(), request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let unknown = world.service.send_batch(&cx(), batch(1, 77, &["a"])).await.unwrap();
    assert_eq!(said(unknown.result), "NotFound no such user");
    assert!(unknown.outcomes.is_empty());
}
