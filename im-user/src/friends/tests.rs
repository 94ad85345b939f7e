//! Friends, and those among them who are shut out.

use mpim_proto::user_service::Server as _;
use mpim_proto::{AddFriendReq, Code, GetFriendsReq};

use crate::testing::{Fixture, cx};

const PASSWORD: &str = "correct horse";

impl Fixture {
    /// The friends whom a user shuts out.
    async fn blocked(&self, user_id: i64) -> Vec<i64> {
        let req = GetFriendsReq { user_id, blocked: true };
        let answer = self.service.get_friends(&cx(), req).await.unwrap();
        assert_eq!(answer.friend_ids, self.friends(user_id).await);
        answer.blocked_ids
    }

    async fn adds(&self, user_id: i64, friend_id: i64) -> (Code, String) {
        let result = self.add_friend(user_id, friend_id).await;
        (result.code(), result.msg)
    }
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new();
    for name in ["alice", "bob", "carol"] {
        fixture.register(name, PASSWORD).await;
    }
    fixture
}

#[tokio::test]
async fn who_is_shut_out_makes_no_friend_and_is_told_no_more_than_of_nobody() {
    let fixture = fixture().await;
    let nobody = fixture.adds(2, 99).await;
    assert_eq!(nobody, (Code::NotFound, "friend not found".to_owned()));
    fixture.others.block(1, &[2]);
    assert_eq!(fixture.adds(2, 1).await, nobody);
    assert_eq!(fixture.friends(1).await, [] as [i64; 0]);
    assert_eq!(fixture.adds(3, 1).await.1, "friend added", "another one");
    assert_eq!(fixture.adds(1, 2).await.1, "friend added", "who shuts out may");
    assert_eq!(fixture.adds(2, 1).await.1, "already friends");
    fixture.others.block(1, &[]);
    fixture.remove_friend(1, 2).await;
    assert_eq!(fixture.adds(2, 1).await.1, "friend added");
}

#[tokio::test]
async fn it_is_known_which_friends_a_user_shuts_out() {
    let fixture = fixture().await;
    fixture.add_friend(1, 2).await;
    fixture.add_friend(1, 3).await;
    // Strangers too, on more pages than one.
    fixture.others.block(1, &[3, 7, 8, 9, 11]);
    assert_eq!(fixture.blocked(1).await, [3]);
    assert_eq!(fixture.blocked(3).await, [] as [i64; 0], "it is one-sided");
    fixture.others.block(1, &[2, 3]);
    assert_eq!(fixture.blocked(1).await, [2, 3]);
}

#[tokio::test]
async fn while_nobody_knows_who_is_shut_out_no_friend_is_made_and_who_they_are_is_told() {
    let fixture = fixture().await;
    fixture.add_friend(1, 2).await;
    fixture.others.fail(Some(mprpc::Code::Unavailable));
    let req = AddFriendReq { user_id: 1, friend_id: 3, message: String::new() };
    let status = fixture.service.add_friend(&cx(), req).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Unavailable);
    let req = GetFriendsReq { user_id: 1, blocked: true };
    let status = fixture.service.get_friends(&cx(), req).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Unavailable);
    assert_eq!(fixture.friends(1).await, [2]);
}
