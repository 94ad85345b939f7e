//! Checking name and password. Whether a name exists must not show, neither in the answer nor in the time to it:
//! every attempt reads the store once and computes one hash, and the answer to each failure is the
//! same.

use crate::error::UserError;
use crate::password::Password;
use crate::store::{Account, UserStore};
use crate::username::Username;
use crate::users::Users;

impl<S: UserStore> Users<S> {
    /// Whose name and password these are.
    pub(crate) async fn log_in(
        &self,
        name: &[u8],
        password: Password,
    ) -> Result<Account, UserError> {
        self.check_allowance(name).await?;
        let credentials = match Username::key_of(name) {
            Some(key) => self.store.credentials(key).await?,
            None => None,
        };
        let (account, hash) = credentials.map(|known| (known.account, known.password_hash)).unzip();
        // Nobody has such a password. Hashing all of it would show in the time, so check an
        // empty one against nobody.
        let (password, hash) = if password.is_too_long(&self.config.password) {
            (Password::new(b""), None)
        } else {
            (password, hash)
        };
        let slot = self.hasher.slot().await?;
        // Others may have used up the allowance while this one waited for its turn. Without a
        // second look, a burst of guesses as long as the queue would all be checked. The slot is
        // held until a failure is charged, so that the next in the queue sees it.
        self.check_allowance(name).await?;
        let matches = slot.verify(password, hash).await?;
        match account {
            Some(account) if matches => Ok(account),
            _ => {
                self.attempts.failed(name).await;
                Err(UserError::BadCredentials)
            }
        }
    }

    async fn check_allowance(&self, name: &[u8]) -> Result<(), UserError> {
        if self.attempts.used_up(name).await {
            return Err(UserError::TooManyAttempts);
        }
        Ok(())
    }
}
