//! Letting go of old entries, from the configuration to what readers are told.

use mpim_proto::{FetchRangeReq, SetBlockReq};

use super::*;
use crate::config::RetentionConfig;
use crate::metrics::RetentionMetrics;
use crate::retention::Keeper;

const DAY_MS: i64 = 86_400_000;

fn keeper(world: &World, config: RetentionConfig, later_ms: i64) -> Keeper<Model> {
    let clock = Clock::manual(NOW_MS + later_ms);
    Keeper { store: world.store.clone(), clock, config, metrics: RetentionMetrics::new() }
}

/// The seqs of a conversation that a user sees, and the answer's `first_seq`.
async fn seen(world: &World, user_id: i64, conv_id: &str) -> (Vec<i64>, i64) {
    let request = FetchRangeReq { user_id, conv_id: conv_id.to_owned(), ..Default::default() };
    let range = world.service.fetch_range(&cx(), request).await.unwrap();
    (range.entries.iter().map(|entry| entry.seq).collect(), range.first_seq)
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_conversation_is_let_go_of_by_its_own_rule() {
    let world = World::new();
    world.join(1, 7).await;
    for n in 0..6 {
        world.send(1, 2, &n.to_string()).await;
        world.send_group(1, 7, &n.to_string()).await;
    }
    let config = RetentionConfig {
        pair_days: 3,
        group_entries_max: 2,
        batch_entries_max: 2,
        ..RetentionConfig::default()
    };
    keeper(&world, config.clone(), 3_600_000).pass().await.unwrap();
    assert_eq!(seen(&world, 1, "grp_7").await, ((1..=7).collect(), 1), "all of it is young");
    keeper(&world, config.clone(), 3_600_001).pass().await.unwrap();
    assert_eq!(seen(&world, 1, "grp_7").await, (vec![6, 7], 6));
    assert_eq!(seen(&world, 2, "c2c_1_2").await, ((1..=6).collect(), 1));
    keeper(&world, config.clone(), 3 * DAY_MS).pass().await.unwrap();
    assert_eq!(seen(&world, 2, "c2c_1_2").await.0.len(), 6);
    keeper(&world, config, 3 * DAY_MS + 1).pass().await.unwrap();
    assert_eq!(seen(&world, 2, "c2c_1_2").await, (vec![], 7));
    assert_eq!(world.send(2, 1, "after all that").await.seq, 7);
}

#[tokio::test(start_paused = true)]
async fn by_default_everything_is_kept() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    let keeper = keeper(&world, RetentionConfig::default(), 36_500 * DAY_MS);
    keeper.pass().await.unwrap();
    assert_eq!(seen(&world, 2, "c2c_1_2").await, (vec![1], 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_for_its_message_for_a_day_whatever_is_kept() {
    let world = World::new();
    let block = async |blocked| {
        let request = SetBlockReq { user_id: 1, other_id: 2, blocked };
        world.service.set_block(&cx(), request).await.unwrap();
    };
    block(true).await;
    // More than go at once.
    let ids: Vec<String> = (0..5).map(|n| n.to_string()).collect();
    for id in &ids {
        assert_eq!(said(world.send_as(2, 1, id, "hello").await.result), "Invalid blocked");
    }
    block(false).await;
    let config = RetentionConfig { batch_entries_max: 2, ..RetentionConfig::default() };
    keeper(&world, config.clone(), DAY_MS).pass().await.unwrap();
    for id in &ids {
        assert_eq!(said(world.send_as(2, 1, id, "hello").await.result), "Invalid blocked");
    }
    keeper(&world, config, DAY_MS + 1).pass().await.unwrap();
    for (id, seq) in ids.iter().zip(1..) {
        assert_eq!(world.send_as(2, 1, id, "hello").await.seq, seq);
    }
}
