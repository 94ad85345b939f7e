//! Joining and leaving.
//!
//! Both decide in the store, tell im-message and answer then. The member's turn is held
//! throughout, so that a second request of the same member finds the first one finished, or
//! abandoned: an abandoned one is the attempt that the caller repeats, and is finished now.

use mprpc::Context;

use crate::error::GroupError;
use crate::groups::Groups;
use crate::hand_over::Spans;
use crate::store::{GroupStore, Joined, Left, MemberKey};

impl<S: GroupStore, M: Spans> Groups<S, M> {
    pub(crate) async fn join(&self, cx: &Context, member: MemberKey) -> Result<(), GroupError> {
        if member.user_id <= 0 {
            return Err(GroupError::BadUserId);
        }
        let _turn = self.changing.wait(&member).await;
        let due_at_ms = self.hand_over.due_at_ms();
        let (change, unfinished) = match self.store.join(member, self.limits(), due_at_ms).await? {
            Joined::Done(change) => (change, false),
            Joined::Unfinished(change) => (change, true),
            Joined::NoSuchGroup => return Err(GroupError::GroupNotFound),
            Joined::Already => return Err(GroupError::AlreadyInGroup),
            Joined::Full => return Err(GroupError::GroupFull),
            Joined::TooManyGroups => return Err(GroupError::TooManyGroups),
        };
        match self.hand_over.finish_if_kept(cx, &change, unfinished).await? {
            true => Err(GroupError::AlreadyInGroup),
            false => Ok(()),
        }
    }

    pub(crate) async fn leave(&self, cx: &Context, member: MemberKey) -> Result<(), GroupError> {
        let _turn = self.changing.wait(&member).await;
        let due_at_ms = self.hand_over.due_at_ms();
        let (change, unfinished) = match self.store.leave(member, due_at_ms).await? {
            Left::Done(change) => (change, false),
            Left::Unfinished(change) => (change, true),
            Left::NoSuchGroup => return Err(GroupError::GroupNotFound),
            Left::NotMember => return Err(GroupError::NotInGroup),
        };
        match self.hand_over.finish_if_kept(cx, &change, unfinished).await? {
            true => Err(GroupError::NotInGroup),
            false => Ok(()),
        }
    }
}
