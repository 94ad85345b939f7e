//! Friendships. One side adds, both are friends, as in the original.

use crate::error::UserError;
use crate::metrics::count_friend_change;
use crate::store::{Befriended, UserStore};
use crate::users::Users;

impl<S: UserStore> Users<S> {
    pub(crate) async fn add_friend(&self, user_id: i64, friend_id: i64) -> Result<(), UserError> {
        if user_id == friend_id {
            return Err(UserError::BadFriendId);
        }
        let friends_max = self.config.friends.per_user_max;
        let now_ms = self.clock.now_ms();
        match self.store.befriend(user_id, friend_id, friends_max, now_ms).await? {
            Befriended::Added => {
                count_friend_change("added");
                Ok(())
            }
            Befriended::Already => Err(UserError::AlreadyFriends),
            Befriended::NoSuchUser => Err(UserError::FriendNotFound),
            Befriended::TooMany => Err(UserError::TooManyFriends),
        }
    }

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

    pub(crate) async fn friends(&self, user_id: i64) -> Result<Vec<i64>, UserError> {
        Ok(self.store.friends(user_id).await?)
    }
}
