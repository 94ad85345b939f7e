//! What makes no sense is refused with a clear code, and nothing changes.

use mpim_proto::dead_letter_service::Server as _;
use mpim_proto::{
    AckReq, AdvanceCursorsReq, AdvanceForManyReq, CursorMove, FetchForManyReq, FetchRangeReq,
    ForgetDeviceReq, GetPositionsReq, GetReceiptsReq, ListBehindReq, ListBlockedReq,
    ListConversationsReq, ListDeadLettersReq, MarkReadReq, OpenDeviceReq, PullOfflineReq,
    SetBlockReq,
};
use mprpc::Code;

use super::*;
use crate::store::{DeadLetters as _, NewDeadLetter};

const CONV: &str = "c2c_1_2";

/// Two who have written to each other; the first blocks somebody, and there is a dead letter.
async fn world() -> World {
    let world = World::new();
    for text in ["one", "two", "three"] {
        world.send(1, 2, text).await;
    }
    let block = SetBlockReq { user_id: 1, other_id: 3, blocked: true };
    assert_eq!(said(world.service.set_block(&cx(), block).await.unwrap().result), "ok");
    let letter = NewDeadLetter {
        conv: CONV.parse().unwrap(),
        first_seq: 1,
        last_seq: 1,
        reason: "refused".to_owned(),
        tries: 1,
        at_ms: NOW_MS,
    };
    world.store.bury(vec![letter], 10).await.unwrap();
    world
}

/// Where users 1 and 2 stand in their conversation.
async fn cursors(world: &World) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    for user_id in [1, 2] {
        let (device, conv_ids) = (String::new(), vec![CONV.to_owned()]);
        let request = GetPositionsReq { user_id, device, conv_ids };
        let answer = world.service.get_positions(&cx(), request).await.unwrap();
        found.extend(answer.positions.iter().map(|position| (position.cursor, position.head)));
    }
    found
}

fn moves(user_id: i64, to: &[(&str, i64)]) -> AdvanceCursorsReq {
    let step = |&(conv_id, seq): &(&str, i64)| CursorMove { conv_id: conv_id.to_owned(), seq };
    AdvanceCursorsReq { user_id, device: String::new(), moves: to.iter().map(step).collect() }
}

#[tokio::test(start_paused = true)]
async fn every_list_refuses_a_length_that_makes_no_sense_and_takes_any_other() {
    let world = world().await;
    let (service, cx) = (&world.service, &cx());
    for (limit, expected) in [
        (0, "ok"),
        (1, "ok"),
        (10_000, "ok"),
        (10_001, "OutOfRange bad limit"),
        (i32::MAX, "OutOfRange bad limit"),
        (-1, "OutOfRange bad limit"),
        (i32::MIN, "OutOfRange bad limit"),
    ] {
        let device = String::new;
        let behind =
            ListBehindReq { user_id: 2, device: device(), after_conv_id: String::new(), limit };
        let behind = service.list_behind(cx, behind).await.unwrap();
        let blocked = ListBlockedReq { user_id: 1, after_user_id: 0, limit };
        let blocked = service.list_blocked(cx, blocked).await.unwrap();
        let letters = ListDeadLettersReq { after_id: 0, limit };
        let letters = world.dead_letters.list_dead_letters(cx, letters).await.unwrap();
        let listed = ListConversationsReq { user_id: 1, limit, ..ListConversationsReq::default() };
        let listed = service.list_conversations(cx, listed).await.unwrap();
        let conv_id = CONV.to_owned();
        let receipts = GetReceiptsReq { user_id: 1, conv_id, after_user_id: 0, limit };
        let receipts = service.get_receipts(cx, receipts).await.unwrap();
        let given = [
            ("behind", behind.result, behind.positions.len()),
            ("blocked", blocked.result, blocked.user_ids.len()),
            ("dead letters", letters.result, letters.letters.len()),
            ("conversations", listed.result, listed.conversations.len()),
            ("receipts", receipts.result, receipts.receipts.len()),
        ];
        for (what, result, count) in given {
            assert_eq!(said(result), expected, "{what} {limit}");
            assert_eq!(count, usize::from(expected == "ok"), "{what} {limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_after_an_id_that_nobody_can_have_is_refused() {
    let world = world().await;
    for after in [-1, i64::MIN] {
        let blocked = ListBlockedReq { user_id: 1, after_user_id: after, limit: 0 };
        let blocked = world.service.list_blocked(&cx(), blocked).await.unwrap();
        assert_eq!(
            (said(blocked.result), blocked.user_ids),
            ("OutOfRange bad range".into(), vec![])
        );
        let letters = ListDeadLettersReq { after_id: after, limit: 0 };
        let letters = world.dead_letters.list_dead_letters(&cx(), letters).await.unwrap();
        assert_eq!(
            (said(letters.result), letters.letters),
            ("OutOfRange bad range".into(), vec![])
        );
        let conv_id = CONV.to_owned();
        let receipts = GetReceiptsReq { user_id: 1, conv_id, after_user_id: after, limit: 0 };
        let receipts = world.service.get_receipts(&cx(), receipts).await.unwrap();
        assert_eq!(said(receipts.result), "OutOfRange bad range");
        assert!(receipts.receipts.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_to_where_nothing_stands_moves_none_of_those_beside_it() {
    let world = world().await;
    for bad in [-1, i64::MIN] {
        let request = moves(2, &[(CONV, 2), (CONV, bad)]);
        let refused = world.service.advance_cursors(&cx(), request.clone()).await.unwrap();
        assert_eq!(said(refused.result), "OutOfRange bad seq");
        let devices = vec![moves(1, &[(CONV, 2)]), request];
        let request = AdvanceForManyReq { devices };
        let refused = world.service.advance_for_many(&cx(), request).await.unwrap();
        assert_eq!(said(refused.result), "OutOfRange bad seq");
        assert_eq!(cursors(&world).await, [(0, 3), (0, 3)], "{bad}");
    }
    // A malformed conversation, or a device that cannot be, among good ones.
    let malformed = moves(2, &[(CONV, 2), ("c2c_2_1", 1)]);
    let odd = AdvanceCursorsReq { device: "phone".to_owned(), ..moves(2, &[(CONV, 2)]) };
    for bad in [malformed, odd] {
        let refused = world.service.advance_cursors(&cx(), bad.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let request = AdvanceForManyReq { devices: vec![moves(1, &[(CONV, 2)]), bad] };
        let refused = world.service.advance_for_many(&cx(), request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(cursors(&world).await, [(0, 3), (0, 3)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_theirs_is_passed_over_and_the_rest_moves() {
    let world = world().await;
    let request = moves(2, &[("grp_7", 1), ("c2c_1_3", 1), (CONV, 2), ("c2c_2_5", 9)]);
    let devices = vec![moves(3, &[(CONV, 3)]), request];
    let answer = world.service.advance_for_many(&cx(), AdvanceForManyReq { devices }).await;
    assert_eq!(said(answer.unwrap().result), "ok");
    assert_eq!(cursors(&world).await, [(0, 3), (2, 3)]);
    let conv_ids = [CONV, "grp_7", "c2c_1_3"].map(str::to_owned).to_vec();
    let request = GetPositionsReq { user_id: 3, device: String::new(), conv_ids };
    assert_eq!(world.service.get_positions(&cx(), request).await.unwrap().positions, []);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_user_0_or_below_whatever_is_asked() {
    let world = world().await;
    let (service, cx) = (&world.service, &cx());
    let conv_id = || CONV.to_owned();
    for user_id in [0, -1, i64::MIN] {
        let range = FetchRangeReq { user_id, conv_id: conv_id(), ..FetchRangeReq::default() };
        let many = FetchForManyReq {
            conv_id: conv_id(),
            user_ids: vec![1, user_id],
            ..Default::default()
        };
        let positions = GetPositionsReq { user_id, ..GetPositionsReq::default() };
        let listed = ListConversationsReq { user_id, ..ListConversationsReq::default() };
        let receipts = GetReceiptsReq { user_id, conv_id: conv_id(), ..GetReceiptsReq::default() };
        let opened = OpenDeviceReq { user_id, device: String::new(), generation: 1 };
        let forgotten = ForgetDeviceReq { user_id, device: String::new(), generation: 1 };
        let refused = [
            service.fetch_range(cx, range).await.err(),
            service.fetch_for_many(cx, many).await.err(),
            service.get_positions(cx, positions).await.err(),
            service.list_behind(cx, ListBehindReq { user_id, ..Default::default() }).await.err(),
            service.list_conversations(cx, listed).await.err(),
            service.list_blocked(cx, ListBlockedReq { user_id, ..Default::default() }).await.err(),
            service.get_receipts(cx, receipts).await.err(),
            service.mark_read(cx, MarkReadReq { user_id, conv_id: conv_id(), seq: 1 }).await.err(),
            service.advance_cursors(cx, moves(user_id, &[(CONV, 1)])).await.err(),
            service
                .advance_for_many(
                    cx,
                    AdvanceForManyReq {
                        devices: vec![moves(2, &[(CONV, 1)]), moves(user_id, &[])],
                    },
                )
                .await
                .err(),
            service.open_device(cx, opened).await.err(),
            service.forget_device(cx, forgotten).await.err(),
        ];
        for (place, refused) in refused.into_iter().enumerate() {
            let refused = refused.unwrap_or_else(|| panic!("{place}: {user_id} was taken"));
            assert_eq!(refused.code(), Code::InvalidArgument, "{place}");
            assert_eq!(refused.message(), "bad user_id", "{place}");
        }
        // The original's callers are answered with a result.
        let pulled = service.pull_offline(cx, PullOfflineReq { user_id }).await.unwrap();
        assert_eq!(said(pulled.result), "Invalid bad user_id");
        let acked = service.ack(cx, AckReq { user_id, msg_id_list: vec![1] }).await.unwrap();
        assert_eq!(said(acked.result), "Invalid bad user_id");
    }
    assert_eq!(cursors(&world).await, [(0, 3), (0, 3)]);
}
