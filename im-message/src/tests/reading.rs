//! `FetchRange`, `ListBehind`, `GetPositions` and `AdvanceCursors`.

use mpim_proto::message_service::Server as _;
use mpim_proto::{
    AdvanceCursorsReq, CursorMove, EntryKind, FetchRangeReq, FetchRangeResp, GetPositionsReq,
    ListBehindReq,
};
use mprpc::Code;

use super::*;

async fn fetch(world: &World, user_id: i64, conv_id: &str, limit: i32) -> FetchRangeResp {
    let conv_id = conv_id.to_owned();
    let request = FetchRangeReq { user_id, conv_id, limit, ..FetchRangeReq::default() };
    world.service.fetch_range(&cx(), request).await.unwrap()
}

async fn behind(world: &World, user_id: i64) -> Vec<(String, i64, i64)> {
    let mut found = Vec::new();
    let mut after_conv_id = String::new();
    loop {
        let device = "text".to_owned();
        let request = ListBehindReq { user_id, device, after_conv_id, limit: 2 };
        let page = world.service.list_behind(&cx(), request).await.unwrap();
        assert!(page.positions.len() <= 2);
        found.extend(page.positions.into_iter().map(|at| (at.conv_id, at.cursor, at.head)));
        match page.more {
            true => after_conv_id = found.last().unwrap().0.clone(),
            false => return found,
        }
    }
}

async fn advance(world: &World, user_id: i64, conv_id: &str, seq: i64) {
    let moves = vec![CursorMove { conv_id: conv_id.to_owned(), seq }];
    let request = AdvanceCursorsReq { user_id, device: "text".to_owned(), moves };
    world.service.advance_cursors(&cx(), request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_range_has_the_entries_with_all_that_is_to_be_known_of_them() {
    let world = World::new();
    world.join(1, 7).await;
    let sent = world.send_group(1, 7, "hello").await;
    world.leave(1, 7).await;
    let range = fetch(&world, 1, "grp_7", 0).await;
    assert_eq!((range.complete_to, range.head), (3, 3));
    let kinds: Vec<_> = range.entries.iter().map(mpim_proto::Entry::kind).collect();
    assert_eq!(kinds, [EntryKind::Joined, EntryKind::Text, EntryKind::Left]);
    let expected = mpim_proto::Entry {
        conv_id: "grp_7".to_owned(),
        seq: 2,
        msg_id: sent.msg_id,
        from: 1,
        ts_ms: NOW_MS,
        kind: EntryKind::Text.into(),
        text: "hello".to_owned(),
        device: String::new(),
    };
    assert_eq!(range.entries[1], expected);
}

#[tokio::test(start_paused = true)]
async fn a_range_is_bounded_whatever_is_asked_for() {
    let mut config = Config::default();
    config.answer.entries_max = 3;
    let world = World::with(config, Model::new());
    for n in 0..5 {
        world.send(1, 2, &n.to_string()).await;
    }
    for (asked, given) in [(2, 2), (100, 3), (10_000, 3), (0, 3)] {
        let range = fetch(&world, 2, "c2c_1_2", asked).await;
        assert_eq!((range.complete_to, range.head), (given, 5), "asked for {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_what_is_not_theirs() {
    let world = World::new();
    world.send(1, 2, "private").await;
    world.join(1, 7).await;
    for (user_id, conv_id, expected) in [
        (3, "c2c_1_2", "PermissionDenied not a member"),
        (3, "grp_7", "PermissionDenied not a member"),
        (3, "grp_8", "NotFound group not found"),
        (3, "c2c_1_3", "ok"),
    ] {
        let range = fetch(&world, user_id, conv_id, 0).await;
        assert_eq!(said(range.result), expected, "{conv_id}");
        assert!(range.entries.is_empty() && range.head == 0, "{conv_id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_conversation_is_a_bad_request() {
    let world = World::new();
    for conv_id in ["", "c2c_2_1", "grp_x"] {
        let conv_id = conv_id.to_owned();
        let request = FetchRangeReq { user_id: 1, conv_id, ..FetchRangeReq::default() };
        let refused = world.service.fetch_range(&cx(), request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_behind_what_is_no_conversation_is_a_bad_request() {
    let world = World::new();
    world.send(2, 1, "hello").await;
    for unknown in ["c2c_1_3", "grp_7", "c2c_2_1"] {
        let after_conv_id = unknown.to_owned();
        let request = ListBehindReq { user_id: 1, after_conv_id, ..ListBehindReq::default() };
        let refused = world.service.list_behind(&cx(), request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_shrinks_as_cursors_advance() {
    let world = World::new();
    for peer in [3, 2, 4] {
        world.send(peer, 1, "hello").await;
        world.send(peer, 1, "are you there?").await;
    }
    let named = |conv_id: &str, cursor| (conv_id.to_owned(), cursor, 2);
    let all = [named("c2c_1_3", 0), named("c2c_1_2", 0), named("c2c_1_4", 0)];
    assert_eq!(behind(&world, 1).await, all);
    advance(&world, 1, "c2c_1_2", 2).await;
    advance(&world, 1, "c2c_1_4", 1).await;
    assert_eq!(behind(&world, 1).await, [named("c2c_1_3", 0), named("c2c_1_4", 1)]);
}

#[tokio::test(start_paused = true)]
async fn positions_are_those_of_conversations_that_the_user_is_in() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    let conv_ids = ["c2c_1_2", "c2c_1_3", "grp_7", "c2c_2_3"].map(str::to_owned).to_vec();
    let request = GetPositionsReq { user_id: 2, device: "text".to_owned(), conv_ids };
    let found = world.service.get_positions(&cx(), request).await.unwrap().positions;
    let position = mpim_proto::Position { conv_id: "c2c_1_2".to_owned(), cursor: 0, head: 1 };
    assert_eq!(found, [position]);
}
