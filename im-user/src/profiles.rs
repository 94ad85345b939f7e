//! Users as others see them.

use crate::error::UserError;
use crate::store::{Profile, UserStore};
use crate::username::Username;
use crate::users::Users;

impl<S: UserStore> Users<S> {
    /// The users that exist with one of these ids or names, each once, by id.
    pub(crate) async fn profiles(
        &self,
        user_ids: Vec<i64>,
        names: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Profile>, UserError> {
        let mut found = match user_ids.is_empty() {
            true => Vec::new(),
            false => self.store.profiles(user_ids).await?,
        };
        let name_keys: Vec<String> =
            names.iter().filter_map(|name| Username::key_of(name.as_ref())).collect();
        if !name_keys.is_empty() {
            found.extend(self.store.profiles_of(name_keys).await?);
            found.sort_unstable_by_key(|profile| profile.user_id);
            found.dedup();
        }
        Ok(found)
    }
}
