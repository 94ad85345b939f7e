//! The service as its callers see it: the generated trait, called in process, on SQLite.

use std::sync::Arc;

use mpim_proto::group_service::Server as _;
use mpim_proto::{
    Code, GetGroupInfoReq, GetGroupMembersReq, GetUserGroupsReq, GroupRole, JoinGroupReq,
    MembershipChange,
};
use tokio::task::JoinSet;

use crate::testing::{Fixture, Mood, cx};

#[track_caller]
fn assert_says(result: impl Into<Option<mpim_proto::Result>>, code: Code, msg: &str) {
    let result = result.into().expect("every answer carries a result");
    assert_eq!((result.code(), result.msg.as_str()), (code, msg));
}

async fn members(fixture: &Fixture, group_id: i64) -> Vec<i64> {
    let answer = fixture.service.get_group_members(&cx(), GetGroupMembersReq { group_id }).await;
    let answer = answer.unwrap();
    assert!(answer.result.unwrap().is_ok());
    assert!(answer.member_ids.iter().eq(answer.members.iter().map(|member| &member.user_id)));
    answer.member_ids
}

#[tokio::test]
async fn who_creates_a_group_is_its_first_member_and_im_message_knows() {
    let fixture = Fixture::new();
    let answer = fixture.create(7, "rust").await;
    assert_says(answer.result, Code::Ok, "group created");
    assert_eq!(answer.group_id, 1);
    assert_eq!(members(&fixture, 1).await, [7]);
    assert_eq!(fixture.messages.changes(1, 7), [MembershipChange::Join]);

    let info = fixture.service.get_group_info(&cx(), GetGroupInfoReq { group_id: 1 }).await;
    let info = info.unwrap().group_info.unwrap();
    assert_eq!((info.group_name.as_str(), info.creator_id), ("rust", 7));
    assert_eq!(info.description, "about rust");
    assert_eq!(info.created_at, 1_700_000_000, "in seconds, as the original stores it");
}

#[tokio::test]
async fn joining_and_leaving_answer_in_the_words_of_the_protocol() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    assert_says(fixture.join(1, 8).await, Code::Ok, "joined group");
    assert_says(fixture.join(1, 8).await, Code::Invalid, "already in group");
    assert_says(fixture.join(2, 8).await, Code::NotFound, "group not found");
    assert_says(fixture.join(1, 0).await, Code::Invalid, "bad user_id");
    assert_eq!(members(&fixture, 1).await, [7, 8]);

    assert_says(fixture.leave(1, 8).await, Code::Ok, "left group");
    assert_says(fixture.leave(1, 8).await, Code::Invalid, "not in group");
    assert_says(fixture.leave(2, 8).await, Code::NotFound, "group not found");
    assert_eq!(members(&fixture, 1).await, [7]);
    let changes = fixture.messages.changes(1, 8);
    assert_eq!(changes, [MembershipChange::Join, MembershipChange::Leave]);
}

#[tokio::test]
async fn creating_is_refused_in_the_words_of_the_protocol() {
    let fixture = Fixture::with(|config| config.limits.description_length_max = 20);
    fixture.create(7, "rust").await;
    assert_says(fixture.create(7, "rust").await.result, Code::Invalid, "exists");
    assert_says(fixture.create(8, "rust").await.result, Code::Invalid, "exists");
    assert_says(fixture.create(8, "").await.result, Code::Invalid, "bad group_name");
    assert_says(fixture.create(8, "a\nb").await.result, Code::Invalid, "bad group_name");
    assert_says(fixture.create(0, "c").await.result, Code::Invalid, "bad user_id");
    let long = fixture.create(8, "its description is too long").await;
    assert_says(long.result, Code::Invalid, "description too long");
    assert_eq!(fixture.create(8, "c").await.group_id, 2, "refusals used up ids");
}

#[tokio::test]
async fn limits_are_those_of_the_configuration() {
    let fixture = Fixture::with(|config| {
        config.limits.members_max = 2;
        config.limits.groups_per_user_max = 2;
    });
    for group in ["one", "two", "three"] {
        fixture.create(group.len() as i64 + 6, group).await;
    }
    fixture.join(1, 8).await;
    assert_says(fixture.join(1, 99).await, Code::Invalid, "group full");
    fixture.join(2, 8).await;
    assert_says(fixture.join(3, 8).await, Code::Invalid, "too many groups");
    assert_says(fixture.create(8, "four").await.result, Code::Invalid, "too many groups");

    fixture.leave(1, 8).await;
    assert_says(fixture.join(1, 99).await, Code::Ok, "joined group");
    assert_says(fixture.join(3, 8).await, Code::Ok, "joined group");
}

#[tokio::test]
async fn lists_of_what_does_not_exist_are_answers() {
    let fixture = Fixture::new();
    let answer = fixture.service.get_group_members(&cx(), GetGroupMembersReq { group_id: 9 }).await;
    assert_says(answer.unwrap().result, Code::NotFound, "group not found");
    let answer = fixture.service.get_group_info(&cx(), GetGroupInfoReq { group_id: 9 }).await;
    let answer = answer.unwrap();
    assert_says(answer.result, Code::NotFound, "group not found");
    assert_eq!(answer.group_info, None);
    let answer = fixture.service.get_user_groups(&cx(), GetUserGroupsReq { user_id: 9 }).await;
    let answer = answer.unwrap();
    assert_says(answer.result, Code::Ok, "ok");
    assert_eq!(answer.group_ids, [] as [i64; 0]);
}

#[tokio::test]
async fn a_users_groups_are_listed_and_the_creators_role_is_shown() {
    let fixture = Fixture::new();
    fixture.create(7, "one").await;
    fixture.create(8, "two").await;
    fixture.join(2, 7).await;
    let answer = fixture.service.get_user_groups(&cx(), GetUserGroupsReq { user_id: 7 }).await;
    assert_eq!(answer.unwrap().group_ids, [1, 2]);

    fixture.leave(2, 8).await;
    let answer = fixture.service.get_group_members(&cx(), GetGroupMembersReq { group_id: 2 }).await;
    let members = answer.unwrap().members;
    assert_eq!((members[0].user_id, members[0].role()), (7, GroupRole::Creator));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_joins_of_one_user_at_once_exactly_one_is_told_joined() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let service = Arc::clone(&fixture.service);
        let req = JoinGroupReq { user_id: 8, group_id: 1 };
        callers.spawn(async move { service.join_group(&cx(), req).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let joined = answers.iter().filter(|answer| answer.result.as_ref().unwrap().is_ok()).count();
    assert_eq!(joined, 1);
    assert_eq!(fixture.messages.changes(1, 8), [MembershipChange::Join]);
}

#[tokio::test]
async fn nobody_is_told_joined_before_im_message_knows() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    fixture.messages.set(Mood::Unreachable);
    let status = fixture.try_join(1, 8).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Unavailable);

    // The caller tries again, and that is the same join.
    fixture.messages.set(Mood::Well);
    assert_says(fixture.join(1, 8).await, Code::Ok, "joined group");
    assert_says(fixture.join(1, 8).await, Code::Invalid, "already in group");
}

#[tokio::test]
async fn a_repeated_creation_gives_the_same_group() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Mute);
    fixture.try_create(7, "rust").await.unwrap_err();
    fixture.messages.set(Mood::Well);
    assert_says(fixture.create(8, "rust").await.result, Code::Invalid, "exists");
    let answer = fixture.create(7, "rust").await;
    assert_says(answer.result, Code::Ok, "group created");
    assert_eq!(answer.group_id, 1);
    assert_eq!(fixture.messages.changes(1, 7), [MembershipChange::Join]);
}

#[tokio::test]
async fn a_lost_answer_of_im_message_leads_to_no_second_change() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    fixture.messages.set(Mood::Mute);
    fixture.try_join(1, 8).await.unwrap_err();
    fixture.messages.set(Mood::Well);
    fixture.join(1, 8).await;
    assert_eq!(fixture.messages.changes(1, 8), [MembershipChange::Join]);
}

#[tokio::test]
async fn a_later_change_is_told_after_the_earlier_one() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    fixture.messages.set(Mood::Unreachable);
    fixture.try_join(1, 8).await.unwrap_err();
    fixture.try_leave(1, 8).await.unwrap_err();
    fixture.try_join(1, 8).await.unwrap_err();
    assert_eq!(fixture.messages.changes(1, 8), []);

    fixture.messages.set(Mood::Well);
    assert_says(fixture.leave(1, 8).await, Code::Ok, "left group");
    use MembershipChange::{Join, Leave};
    // Which the fake would have noticed in another order.
    assert_eq!(fixture.messages.changes(1, 8), [Join, Leave, Join, Leave]);
}

#[tokio::test]
async fn what_im_message_refuses_is_a_failure_and_not_an_answer() {
    let fixture = Fixture::new();
    fixture.messages.set(Mood::Refusing);
    let status = fixture.try_create(7, "rust").await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Internal);
}

#[tokio::test]
async fn a_member_that_im_message_does_not_know_can_leave_and_come_back() {
    let fixture = Fixture::new();
    fixture.create(7, "rust").await;
    fixture.messages.set(Mood::Empty);
    fixture.try_join(1, 8).await.unwrap_err();
    fixture.messages.set(Mood::Well);
    fixture.join(1, 8).await;
    fixture.messages.set(Mood::Empty);
    assert_says(fixture.leave(1, 8).await, Code::Ok, "left group");
}
