//! Checking name and password. Whether a name exists must not show, neither in the answer nor in the time to it:
//! every attempt reads the store once and computes one hash, and the answer to each failure is the
//! same.

use crate::attempts::Source;
use crate::error::UserError;
use crate::password::Password;
use crate::store::{Account, UserStore};
use crate::username::Username;
use crate::users::Users;

impl<S: UserStore> Users<S> {
    /// Whose name and password these are, shown from that address.
    pub(crate) async fn log_in(
        &self,
        name: &[u8],
        password: Password,
        address: &str,
    ) -> Result<Account, UserError> {
        let source = self.source(name, address);
        self.check_wait(&source).await?;
        let credentials = match Username::key_of(name) {
            Some(key) => self.store.credentials(key).await?,
            None => None,
        };
        let disabled = credentials.as_ref().is_some_and(|known| known.disabled);
        let (account, hash) = match credentials {
            Some(known) => (Some(known.account), known.password_hash),
            None => (None, None),
        };
        // Nobody has such a password. Hashing all of it would show in the time, so check an
        // empty one against nobody.
        let (password, hash) = if password.is_too_long(&self.config.password) {
            (Password::new(b""), None)
        } else {
            (password, hash)
        };
        let slot = self.hasher.slot().await?;
        // Others may have failed while this one waited for its turn. Without a
        // second look, a burst of guesses as long as the queue would all be checked. The slot is
        // held until a failure is charged, so that the next in the queue sees it.
        self.check_wait(&source).await?;
        let matches = slot.verify(password, hash).await?;
        match account {
            // Said only to who knows the password.
            Some(_) if matches && disabled => Err(UserError::Disabled),
            Some(account) if matches => {
                self.attempts.succeeded(&source).await;
                Ok(account)
            }
            _ => {
                self.attempts.failed(&source).await;
                Err(UserError::BadCredentials)
            }
        }
    }

    /// Where a guess comes from, and at which account it is made.
    pub(crate) fn source(&self, name: &[u8], address: &str) -> Source {
        Source::new(name, address, self.config.log_in.loopback)
    }

    pub(crate) async fn check_wait(&self, source: &Source) -> Result<(), UserError> {
        match self.attempts.wait_ms(source).await {
            0 => Ok(()),
            wait_ms => Err(UserError::TooManyAttempts(wait_ms)),
        }
    }
}
