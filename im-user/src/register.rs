//! Registering: a name nobody has, a password worth hashing, an account.

use mpim_proto::Role;

use crate::error::UserError;
use crate::grant::{Granted, Wanted};
use crate::password::Password;
use crate::store::{Account, FIRST_EPOCH, NewAccount, UserStore};
use crate::username::Username;
use crate::users::Users;

/// The generation of the device that an account is made with.
const FIRST: i64 = 1;

impl<S: UserStore> Users<S> {
    /// Makes an account; the device that it was made with is logged in.
    pub(crate) async fn register(
        &self,
        name: &[u8],
        password: Password,
        wanted: Wanted,
    ) -> Result<Granted, UserError> {
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
        let (device, now_ms) = (wanted.device.clone(), self.clock.now_ms());
        let account = NewAccount { name: name.clone(), password_hash, device, now_ms };
        let user_id = self.store.create_account(account).await?.ok_or(UserError::NameTaken)?;
        let (name, role) = (name.as_str().to_owned(), Role::User);
        let account = Account { user_id, name, role, epoch: FIRST_EPOCH };
        self.grant(account, wanted, FIRST).await
    }
}
