//! What becomes of an account: another password, another role, or nobody may log in.

use mpim_proto::Role;

use crate::error::UserError;
use crate::grant::Granted;
use crate::log_in_id::{Standing, standing};
use crate::log_out::Whose;
use crate::metrics::count_password_change;
use crate::password::Password;
use crate::store::{Change, Held, UserStore};
use crate::users::Users;

impl<S: UserStore> Users<S> {
    /// Gives the user of a log-in another password. All their other log-ins end; this one is given new
    /// tokens, since somebody may have a copy of the old ones.
    pub(crate) async fn change_password(
        &self,
        whose: Whose,
        old: Password,
        new: Password,
        address: &str,
    ) -> Result<Granted, UserError> {
        let outcome = self.change(whose, old, new, address).await;
        count_password_change(&outcome);
        outcome
    }

    async fn change(
        &self,
        whose: Whose,
        old: Password,
        new: Password,
        address: &str,
    ) -> Result<Granted, UserError> {
        if !new.is_acceptable(&self.config.password) {
            return Err(UserError::WeakPassword);
        }
        // Who has found a key does not become who has the account.
        if whose.is_key() {
            return Err(UserError::NotAllowed);
        }
        let Granted { held, .. } = self.holder(whose).await?;
        let known =
            self.store.credentials_of(held.user_id).await?.ok_or(UserError::InvalidToken)?;
        // Whoever has found an open session must not guess faster there than at the door.
        let account = known.account;
        let source = self.source(account.name.as_bytes(), address);
        self.check_wait(&source).await?;
        let slot = self.hasher.slot().await?;
        self.check_wait(&source).await?;
        let too_long = old.is_too_long(&self.config.password);
        let matches = !too_long && slot.verify(old, known.password_hash.clone()).await?;
        let Some(old_hash) = known.password_hash.filter(|_| matches) else {
            self.attempts.failed(&source).await;
            return Err(UserError::BadCredentials);
        };
        let new_hash = slot.hash(new).await?;
        drop(slot);
        let now_ms = self.clock.now_ms();
        let refresh = self.first_refresh(&held.log_in_id, now_ms)?;
        let change = Change {
            user_id: held.user_id,
            old_hash,
            new_hash,
            log_in_id: held.log_in_id.clone(),
            refresh_hash: refresh.token.hash(),
            expires_at_ms: refresh.expires_at_ms,
            now_ms,
        };
        // Another change was faster: what was checked is the password no more.
        let epoch = self.store.change_password(change).await?.ok_or(UserError::BadCredentials)?;
        self.log_ins_ended("password_changed", 1);
        let refresh = (standing(&held.log_in_id) == Standing::Written).then_some(refresh);
        self.signed(Held { epoch, ..held }, account, refresh, now_ms)
    }

    /// Whether a user may log in. Whatever one who is disabled has open ends.
    pub(crate) async fn set_disabled(&self, user_id: i64, disabled: bool) -> Result<(), UserError> {
        if !self.store.set_disabled(user_id, disabled, self.clock.now_ms()).await? {
            return Err(UserError::NoSuchUser);
        }
        if disabled {
            self.log_ins_ended("disabled", 1);
        }
        Ok(())
    }

    /// What a user may do.
    pub(crate) async fn set_role(&self, user_id: i64, role: Role) -> Result<(), UserError> {
        let known = self.store.set_role(user_id, role).await?;
        known.then_some(()).ok_or(UserError::NoSuchUser)
    }
}

#[cfg(test)]
mod tests;
