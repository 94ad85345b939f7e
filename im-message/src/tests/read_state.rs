//! `ListConversations`, `MarkRead`, `GetReceipts`, and `FetchRange` with what makes no sense.

use mpim_proto::message_service::Server as _;
use mpim_proto::{
    Conversation, FetchRangeReq, GetReceiptsReq, ListConversationsReq, ListConversationsResp,
    MarkReadReq,
};
use mprpc::Code;

use super::*;

async fn list(world: &World, user_id: i64, page_token: &str, limit: i32) -> ListConversationsResp {
    let (device, page_token) = ("text".to_owned(), page_token.to_owned());
    let request = ListConversationsReq { user_id, device, page_token, limit };
    world.service.list_conversations(&cx(), request).await.unwrap()
}

/// Every conversation of the list, by pages of two.
async fn whole_list(world: &World, user_id: i64) -> Vec<Conversation> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let page = list(world, user_id, &token, 2).await;
        assert_eq!(said(page.result), "ok");
        found.extend(page.conversations);
        match page.next_page_token {
            end if end.is_empty() => return found,
            next => token = next,
        }
    }
}

async fn mark(world: &World, user_id: i64, conv_id: &str, seq: i64) -> String {
    let request = MarkReadReq { user_id, conv_id: conv_id.to_owned(), seq };
    said(world.service.mark_read(&cx(), request).await.unwrap().result)
}

async fn receipts(
    world: &World,
    user_id: i64,
    conv_id: &str,
    limit: i32,
) -> (String, Vec<(i64, i64)>, bool) {
    let conv_id = conv_id.to_owned();
    let request = GetReceiptsReq { user_id, conv_id, after_user_id: 0, limit };
    let answer = world.service.get_receipts(&cx(), request).await.unwrap();
    let of = |receipt: &mpim_proto::Receipt| (receipt.user_id, receipt.read_seq);
    (said(answer.result), answer.receipts.iter().map(of).collect(), answer.more)
}

#[tokio::test(start_paused = true)]
async fn the_list_has_what_is_to_be_known_of_each_conversation() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    world.join(1, 7).await;
    world.join(2, 7).await;
    let last = world.send_group(2, 7, "all").await;
    world.send(3, 1, "are you there?").await;
    let all = whole_list(&world, 1).await;
    let convs: Vec<_> = all.iter().map(|listed| listed.conv_id.as_str()).collect();
    assert_eq!(convs, ["c2c_1_3", "grp_7", "c2c_1_2"]);
    let entry = mpim_proto::Entry {
        conv_id: "grp_7".to_owned(),
        seq: 3,
        msg_id: last.msg_id,
        from: 2,
        ts_ms: NOW_MS,
        text: "all".to_owned(),
        ..mpim_proto::Entry::default()
    };
    let expected = Conversation {
        conv_id: "grp_7".to_owned(),
        cursor: 0,
        head: 3,
        read_seq: 0,
        unread: 1,
        first_seq: 1,
        last: Some(entry),
    };
    assert_eq!(all[1], expected);
    assert_eq!(all[2].unread, 0, "one's own message");
    assert_eq!(mark(&world, 1, "grp_7", 3).await, "ok");
    let read = &whole_list(&world, 1).await[1];
    assert_eq!((read.read_seq, read.unread), (3, 0));
    assert_eq!(whole_list(&world, 9).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_long_last_messages_is_shorter_and_the_list_goes_on() {
    let mut config = Config::default();
    config.answer.bytes_max = 10;
    let world = World::with(config, Model::new());
    for (peer, text) in [(2, "four"), (3, "four"), (4, "longer than the bound"), (5, "four")] {
        world.send(1, peer, text).await;
    }
    let mut lengths = Vec::new();
    let mut token = String::new();
    loop {
        let page = list(&world, 1, &token, 0).await;
        lengths.push(page.conversations.len());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(lengths, [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_read_position_is_refused_and_changes_nothing() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    world.send(1, 2, "again").await;
    world.join(1, 7).await;
    world.join(4, 7).await;
    world.leave(4, 7).await;
    world.send_group(1, 7, "without them").await;
    assert_eq!(mark(&world, 2, "c2c_1_2", 1).await, "ok");
    for (user_id, conv_id, seq, expected) in [
        (2, "c2c_1_2", 1, "ok"),
        (2, "c2c_1_2", 0, "OutOfRange already read"),
        (2, "c2c_1_2", -1, "OutOfRange bad seq"),
        (2, "c2c_1_2", i64::MIN, "OutOfRange bad seq"),
        (2, "c2c_1_2", 3, "OutOfRange beyond the head"),
        (2, "c2c_1_2", i64::MAX, "OutOfRange beyond the head"),
        (3, "c2c_1_2", 1, "PermissionDenied not a member"),
        (3, "c2c_1_3", 0, "ok"),
        (3, "c2c_1_3", 1, "OutOfRange beyond the head"),
        (3, "grp_7", 1, "PermissionDenied not a member"),
        (3, "grp_8", 1, "NotFound group not found"),
        (4, "grp_7", 4, "OutOfRange beyond the head"),
        (4, "grp_7", 3, "ok"),
    ] {
        assert_eq!(
            mark(&world, user_id, conv_id, seq).await,
            expected,
            "{user_id} {conv_id} {seq}"
        );
        assert_eq!(whole_list(&world, 2).await[0].read_seq, 1, "{user_id} {conv_id} {seq}");
    }
    assert_eq!(whole_list(&world, 3).await, []);
}

#[tokio::test(start_paused = true)]
async fn receipts_are_for_present_members() {
    let world = World::new();
    for user_id in [1, 2, 3, 4] {
        world.join(user_id, 7).await;
    }
    world.send_group(1, 7, "who is there?").await;
    world.leave(4, 7).await;
    assert_eq!(mark(&world, 3, "grp_7", 5).await, "ok");
    let all = vec![(2, 1), (3, 5)];
    assert_eq!(receipts(&world, 1, "grp_7", 0).await, ("ok".to_owned(), all.clone(), false));
    assert_eq!(receipts(&world, 1, "grp_7", 1).await, ("ok".to_owned(), vec![all[0]], true));
    for (user_id, conv_id, limit, expected) in [
        (4, "grp_7", 0, "PermissionDenied not a member"),
        (9, "grp_7", 0, "PermissionDenied not a member"),
        (1, "grp_8", 0, "NotFound group not found"),
        (9, "c2c_1_2", 0, "PermissionDenied not a member"),
        (1, "c2c_1_2", 0, "ok"),
        (1, "grp_7", -1, "OutOfRange bad limit"),
        (1, "grp_7", 10_001, "OutOfRange bad limit"),
    ] {
        let answer = receipts(&world, user_id, conv_id, limit).await;
        assert_eq!(answer, (expected.to_owned(), vec![], false), "{user_id} {conv_id} {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_and_lists_that_make_no_sense_are_refused() {
    let world = World::new();
    world.send(1, 2, "hello").await;
    for (after_seq, before_seq, limit) in [
        (-1, 0, 0),
        (i64::MIN, 0, 0),
        (0, -1, 0),
        (0, i64::MIN, 0),
        (1, 1, 0),
        (0, 0, -1),
        (0, 0, i32::MIN),
        (0, 0, 10_001),
        (0, 9, i32::MAX),
    ] {
        let conv_id = "c2c_1_2".to_owned();
        let request = FetchRangeReq { user_id: 1, conv_id, after_seq, limit, before_seq };
        let answer = world.service.fetch_range(&cx(), request.clone()).await.unwrap();
        assert_eq!(said(answer.result), "OutOfRange bad range", "{request:?}");
        assert!(answer.entries.is_empty());
    }
    for (token, limit, expected) in [
        ("x", 0, "Invalid bad page_token"),
        ("1-c2c_2_1", 0, "Invalid bad page_token"),
        ("", -1, "OutOfRange bad limit"),
        ("", i32::MIN, "OutOfRange bad limit"),
        ("", 10_001, "OutOfRange bad limit"),
    ] {
        let answer = list(&world, 1, token, limit).await;
        assert_eq!(said(answer.result), expected, "{token} {limit}");
        assert!(answer.conversations.is_empty());
    }
    for conv_id in ["", "c2c_2_1", "grp_x"] {
        let (conv_id, user_id) = (conv_id.to_owned(), 1);
        let read = MarkReadReq { user_id, conv_id: conv_id.clone(), seq: 1 };
        let refused = world.service.mark_read(&cx(), read).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let of = GetReceiptsReq { user_id, conv_id, ..GetReceiptsReq::default() };
        let refused = world.service.get_receipts(&cx(), of).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_backwards_has_the_last_entries_in_their_order() {
    let mut config = Config::default();
    config.answer.entries_max = 3;
    let world = World::with(config, Model::new());
    for n in 1..=5 {
        world.send(1, 2, &n.to_string()).await;
    }
    for (before_seq, limit, first, last) in
        [(i64::MAX, 2, 4, 5), (6, 0, 3, 5), (4, 100, 1, 3), (2, 2, 1, 1)]
    {
        let conv_id = "c2c_1_2".to_owned();
        let request = FetchRangeReq { user_id: 2, conv_id, after_seq: 0, limit, before_seq };
        let range = world.service.fetch_range(&cx(), request).await.unwrap();
        let seqs: Vec<i64> = range.entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (first..=last).collect::<Vec<_>>(), "before {before_seq}");
        assert_eq!((range.complete_from, range.first_seq, range.head), (first, 1, 5));
    }
    let conv_id = "c2c_1_3".to_owned();
    let request = FetchRangeReq { user_id: 1, conv_id, before_seq: 9, ..Default::default() };
    let nothing = world.service.fetch_range(&cx(), request).await.unwrap();
    assert_eq!((said(nothing.result), nothing.entries), ("ok".to_owned(), vec![]));
}
