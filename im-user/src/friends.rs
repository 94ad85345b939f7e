//! Friendships. One side adds, both are friends, as in the original.
//!
//! Who shuts whom out im-message knows, since that is about conversations first. It is asked with each friend
//! that is made, and whenever somebody is about to show a user to their friends: an indexed look, and far
//! rarer than messages, so nothing of it is kept here, and a block counts from its answer on.

use mprpc::{Context, Status};

use crate::devices::Devices;
use crate::error::UserError;
use crate::metrics::count_friend_change;
use crate::neighbours::Neighbours;
use crate::store::{Befriended, UserStore};
use crate::users::Users;

/// The friends of a user.
#[derive(Default)]
pub(crate) struct Friends {
    pub(crate) all: Vec<i64>,
    /// Those among them whom the user shuts out, if that was asked for.
    pub(crate) blocked: Vec<i64>,
}

impl<S: UserStore, N: Neighbours> Devices<S, N> {
    pub(crate) async fn add_friend(
        &self,
        cx: &Context,
        user_id: i64,
        friend_id: i64,
    ) -> Result<(), UserError> {
        if user_id == friend_id {
            return Err(UserError::BadFriendId);
        }
        if user_id.min(friend_id) <= 0 {
            return Err(UserError::FriendNotFound);
        }
        let blocked = self.is_blocked(cx, friend_id, user_id).await.map_err(UserError::NotAsked)?;
        // Who is shut out is not told so: no room for anybody is the same as nobody there, but for those
        // who are friends already.
        let friends_max = if blocked { 0 } else { self.users.config.friends.per_user_max };
        let now_ms = self.clock.now_ms();
        match self.users.store.befriend(user_id, friend_id, friends_max, now_ms).await? {
            Befriended::Added => {
                count_friend_change("added");
                Ok(())
            }
            Befriended::Already => Err(UserError::AlreadyFriends),
            Befriended::TooMany if !blocked => Err(UserError::TooManyFriends),
            Befriended::NoSuchUser | Befriended::TooMany => Err(UserError::FriendNotFound),
        }
    }

    /// A user's friends; if it is asked for, also which of them they shut out.
    pub(crate) async fn friends(
        &self,
        cx: &Context,
        user_id: i64,
        blocked: bool,
    ) -> Result<Friends, UserError> {
        let all = self.users.store.friends(user_id).await?;
        let blocked = match blocked && !all.is_empty() {
            true => self.blocked_by(cx, user_id).await.map_err(UserError::NotAsked)?,
            false => Vec::new(),
        };
        // Both ascend.
        let blocked = blocked.into_iter().filter(|it| all.binary_search(it).is_ok()).collect();
        Ok(Friends { all, blocked })
    }

    /// Whether one user shuts another one out.
    async fn is_blocked(&self, cx: &Context, by: i64, whom: i64) -> Result<bool, Status> {
        let cx = &cx.capped(self.timeout());
        let (first, _more) = self.neighbours.blocked(cx, by, whom - 1, 1).await?;
        Ok(first == [whom])
    }

    /// Everybody whom a user shuts out; im-message bounds how many they are.
    async fn blocked_by(&self, cx: &Context, by: i64) -> Result<Vec<i64>, Status> {
        let cx = &cx.capped(self.timeout());
        let mut all = Vec::new();
        loop {
            let after = all.last().copied().unwrap_or_default();
            let (page, more) = self.neighbours.blocked(cx, by, after, 0).await?;
            let more = more && !page.is_empty();
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }
}

impl<S: UserStore> Users<S> {
    pub(crate) async fn remove_friend(
        &self,
        user_id: i64,
        friend_id: i64,
    ) -> Result<(), UserError> {
        if !self.store.unfriend(user_id, friend_id).await? {
            return Err(UserError::FriendNotFound);
        }
        count_friend_change("removed");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
