//! Registering: a name nobody has, a password worth hashing, an account.

use crate::error::UserError;
use crate::password::Password;
use crate::store::{NewAccount, UserStore};
use crate::username::Username;
use crate::users::{LoggedIn, Users};

/// The generation of the device that an account is made with.
const FIRST: i64 = 1;

impl<S: UserStore> Users<S> {
    /// Makes an account; the device that it was made with is logged in.
    pub(crate) async fn register(
        &self,
        name: &[u8],
        password: Password,
        device: String,
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
        let account =
            NewAccount { name, password_hash, device: device.clone(), now_ms: self.clock.now_ms() };
        let user_id = self.store.create_account(account).await?.ok_or(UserError::NameTaken)?;
        self.logged_in(user_id, device, FIRST)
    }
}
