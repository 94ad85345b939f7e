//! What im-presence is told, and what happens when it is away.

use mprpc::Status;

use super::*;

/// Waits for the resync with which everything begins.
async fn started(world: &World) {
    world.presence.until("the first resync", |presence| !presence.taken().is_empty()).await;
    let first = &world.presence.taken()[0];
    assert!(first.resync && first.deliveries.is_empty(), "{first:?}");
}

async fn delivered(world: &World, count: usize) -> Vec<(String, i64, Vec<i64>)> {
    let enough = |presence: &Presence| presence.delivered().len() >= count;
    world.presence.until("deliveries", enough).await;
    world.presence.delivered()
}

fn to(conv_id: &str, seq: i64, recipients: &[i64]) -> (String, i64, Vec<i64>) {
    (conv_id.to_owned(), seq, recipients.to_vec())
}

#[tokio::test(start_paused = true)]
async fn the_first_dispatch_is_one_resync_however_long_im_presence_takes_to_come() {
    let world = World::new();
    world.presence.refuse(Some(Status::unavailable("not there yet")));
    world.presence.until("some tries", |presence| presence.refused() >= 5).await;
    world.presence.refuse(None);
    started(&world).await;
    world.send(1, 2, "hello").await;
    delivered(&world, 1).await;
    let resyncs = world.presence.taken().iter().filter(|dispatch| dispatch.resync).count();
    assert_eq!(resyncs, 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_goes_to_all_members_the_author_too() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.send(2, 1, "hello").await;
    delivered(&world, 1).await;
    world.send(4, 4, "milk").await;
    delivered(&world, 2).await;
    for (count, uid) in [(3, 1), (4, 2)] {
        world.join(uid, 7).await;
        delivered(&world, count).await;
    }
    world.send_group(1, 7, "hello").await;
    delivered(&world, 5).await;
    world.leave(2, 7).await;
    delivered(&world, 6).await;
    world.send_group(1, 7, "alone").await;
    let expected = [
        to("c2c_1_2", 1, &[1, 2]),
        to("c2c_4_4", 1, &[4]),
        to("grp_7", 1, &[1]),
        to("grp_7", 2, &[1, 2]),
        to("grp_7", 3, &[1, 2]),
        // So that the leaver's gateway can apply it.
        to("grp_7", 4, &[1, 2]),
        to("grp_7", 5, &[1]),
    ];
    assert_eq!(delivered(&world, 7).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_gathers_during_a_dispatch_goes_with_the_next_in_order() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.presence.close_gate();
    for n in 0..5 {
        world.send(1, 2, &n.to_string()).await;
        // The dispatcher takes the first, and waits at the gate.
        tokio::task::yield_now().await;
    }
    world.presence.allow(2);
    let seqs: Vec<_> = delivered(&world, 5).await.into_iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    let sizes: Vec<_> =
        world.presence.taken().iter().map(|dispatch| dispatch.deliveries.len()).collect();
    assert_eq!(sizes, [0, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_large_dispatch_is_divided() {
    let world = World::with_one_lane(Model::new(), |config| config.dispatch.bytes_max = 5_000);
    started(&world).await;
    world.presence.close_gate();
    for n in 0..5 {
        world.send(1, 2, &format!("{n}{}", "x".repeat(1_999))).await;
        tokio::task::yield_now().await;
    }
    world.presence.allow(10);
    assert_eq!(delivered(&world, 5).await.len(), 5);
    let sizes: Vec<_> =
        world.presence.taken().iter().map(|dispatch| dispatch.deliveries.len()).collect();
    assert_eq!(sizes, [0, 1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_is_not_dispatched_again() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    for _ in 0..3 {
        world.send_as(1, 2, "k", "hello").await;
    }
    world.send(1, 2, "next").await;
    let expected = [to("c2c_1_2", 1, &[1, 2]), to("c2c_1_2", 2, &[1, 2])];
    assert_eq!(delivered(&world, 2).await, expected);
}

#[tokio::test(start_paused = true)]
async fn while_im_presence_is_away_messages_are_taken_and_told_later_in_order() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.presence.refuse(Some(Status::unavailable("away")));
    for n in 0..50 {
        assert_eq!(said(world.send(1, 2, &n.to_string()).await.result), "ok");
    }
    world.presence.until("some tries", |presence| presence.refused() >= 3).await;
    world.presence.refuse(None);
    let seqs: Vec<_> = delivered(&world, 50).await.into_iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    assert!(world.presence.taken()[1..].iter().all(|dispatch| !dispatch.resync));
}

#[tokio::test(start_paused = true)]
async fn an_im_presence_that_does_not_answer_is_asked_again() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.presence.close_gate();
    world.send(1, 2, "hello").await;
    world.presence.until("further tries", |presence| presence.asked() >= 4).await;
    world.presence.allow(10);
    assert_eq!(delivered(&world, 1).await, [to("c2c_1_2", 1, &[1, 2])]);
}

#[tokio::test(start_paused = true)]
async fn when_too_much_was_missed_the_newest_are_told_with_a_resync() {
    let world = World::with_one_lane(Model::new(), |config| config.dispatch.queue_entries_max = 3);
    started(&world).await;
    world.presence.refuse(Some(Status::unavailable("away")));
    for n in 0..9 {
        world.send(1, 2, &n.to_string()).await;
    }
    world.presence.until("a try", |presence| presence.refused() >= 2).await;
    world.presence.refuse(None);
    let seqs: Vec<_> = delivered(&world, 3).await.into_iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs, [7, 8, 9]);
    assert!(world.presence.taken()[1].resync);
    world.send(1, 2, "after that").await;
    delivered(&world, 4).await;
    assert!(!world.presence.taken()[2].resync);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_is_refused_for_good_gives_way_to_a_resync() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.presence.refuse(Some(Status::invalid_argument("not like this")));
    world.send(1, 2, "poison").await;
    world.presence.until("the refusal", |presence| presence.refused() >= 1).await;
    world.presence.refuse(None);
    world.send(1, 2, "fine").await;
    let enough = |presence: &Presence| !presence.delivered().is_empty();
    world.presence.until("what follows", enough).await;
    let all = world.presence.taken();
    assert!(all[1].resync, "{all:?}");
    assert_eq!(world.presence.delivered(), [to("c2c_1_2", 2, &[1, 2])]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_was_committed_is_still_told() {
    let world = World::with_one_lane(Model::new(), |_| {});
    started(&world).await;
    world.presence.close_gate();
    world.send(1, 2, "last words").await;
    let World { service, presence, .. } = world;
    drop(service);
    presence.allow(10);
    presence.until("the last dispatch", |presence| !presence.delivered().is_empty()).await;
    assert_eq!(presence.delivered(), [to("c2c_1_2", 1, &[1, 2])]);
}
