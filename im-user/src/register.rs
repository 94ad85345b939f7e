//! Registering: a name nobody has, a password worth hashing, an account.

use crate::error::UserError;
use crate::password::Password;
use crate::store::{NewAccount, UserStore};
use crate::username::Username;
use crate::users::{LoggedIn, Users};

impl<S: UserStore> Users<S> {
    /// Makes an account; who made it is logged in.
    pub(crate) async fn register(
        &self,
        name: &[u8],
        password: Password,
    ) -> Result<LoggedIn, UserError> {
        let name =
            Username::parse(name, self.config.username.length_max).ok_or(UserError::BadUsername)?;
        if !password.is_acceptable(&self.config.password) {
            return Err(UserError::WeakPassword);
        }
        // Only saves the hash. Who gets a name that is still free is decided by the store below.
        if self.store.credentials(name.key()).await?.is_some() {
            return Err(UserError::NameTaken);
        }
        let password_hash = self.hasher.slot().await?.hash(password).await?;
        let account = NewAccount { name, password_hash, now_ms: self.clock.now_ms() };
        let user_id = self.store.create_account(account).await?.ok_or(UserError::NameTaken)?;
        self.logged_in(user_id)
    }
}
