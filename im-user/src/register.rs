//! Registering: a name nobody has, a password worth hashing, an account.

use mpim_proto::Role;

use crate::error::UserError;
use crate::grant::{Granted, Wanted};
use crate::password::Password;
use crate::store::{Account, FIRST_EPOCH, FirstLogIn, Held, NewAccount, UserStore};
use crate::username::Username;
use crate::users::Users;

/// The generation of the device that an account is made with.
const FIRST: i64 = 1;

impl<S: UserStore> Users<S> {
    /// Makes an account, shown from that address; the device that it was made with is logged in.
    pub(crate) async fn register(
        &self,
        name: &[u8],
        password: Password,
        wanted: Wanted,
        address: &str,
    ) -> Result<Granted, UserError> {
        let source = self.source(name, address);
        let name =
            Username::parse(name, self.config.username.length_max).ok_or(UserError::BadUsername)?;
        if !password.is_acceptable(&self.config.password) {
            return Err(UserError::WeakPassword);
        }
        // Also of a name that is taken: nobody finds out by this, any faster, which are.
        match self.attempts.registers(&source).await {
            0 => {}
            wait_ms => return Err(UserError::TooManyAttempts(wait_ms)),
        }
        // Only saves the hash. Who gets a name that is still free is decided by the store below.
        if self.store.credentials(name.key()).await?.is_some() {
            return Err(UserError::NameTaken);
        }
        let password_hash = self.hasher.slot().await?.hash(password).await?;
        let now_ms = self.clock.now_ms();
        let (log_in_id, refresh) = self.new_log_in(wanted.refreshes, now_ms)?;
        // With the account, or who has made it might not get in, and cannot make it again.
        let log_in = refresh.as_ref().map(|refresh| FirstLogIn {
            log_in_id: log_in_id.clone(),
            refresh_hash: refresh.token.hash(),
            expires_at_ms: refresh.expires_at_ms,
        });
        let (role, device) = (Role::User, wanted.device);
        let account = NewAccount {
            name: name.clone(),
            password_hash: Some(password_hash),
            role,
            device: device.clone(),
            log_in,
            now_ms,
        };
        let user_id = self.store.create_account(account).await?.ok_or(UserError::NameTaken)?;
        let held = Held { user_id, device, generation: FIRST, log_in_id, epoch: FIRST_EPOCH };
        let name = name.as_str().to_owned();
        self.signed(held, Account { user_id, name, role, epoch: FIRST_EPOCH }, refresh, now_ms)
    }
}
