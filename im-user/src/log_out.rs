//! Tokens after they were given out: is one still good, and making it good no longer.

use crate::error::UserError;
use crate::store::UserStore;
use crate::token::{Grant, Holder, TokenError};
use crate::users::Users;

/// For how long a revocation outlives its token. By the clock of another instance, or by this one's
/// after it was put right, the token may not have expired yet, and would be good again.
const KEPT_AFTER_EXPIRY_MS: i64 = 24 * 3600 * 1000;

impl<S: UserStore> Users<S> {
    /// Revokes the user's token, durably, until it would have expired anyway. Revoking a token
    /// that is not good any more succeeds: the caller has what it wants.
    ///
    /// The original's token `tok_<uid>` is accepted and proves nothing, so there is nothing to
    /// revoke.
    pub(crate) async fn log_out(&self, user_id: i64, token: &str) -> Result<(), UserError> {
        if token.strip_prefix("tok_").is_some_and(|id| id == user_id.to_string()) {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        match self.tokens.verify(token, now_ms) {
            Ok(grant) => self.revoke(user_id, grant, now_ms).await,
            // By other clocks it is good already.
            Err(TokenError::NotYet(grant)) => self.revoke(user_id, *grant, now_ms).await,
            Err(TokenError::Expired(_)) => Ok(()),
            Err(_) => Err(UserError::InvalidToken),
        }
    }

    async fn revoke(&self, user_id: i64, grant: Grant, now_ms: i64) -> Result<(), UserError> {
        let Grant { holder, token_id, expires_at_ms } = grant;
        if holder.user_id != user_id {
            return Err(UserError::InvalidToken);
        }
        let forget_before_ms = now_ms - KEPT_AFTER_EXPIRY_MS;
        Ok(self.store.revoke_token(token_id, expires_at_ms, forget_before_ms).await?)
    }

    /// Whose token this is, if it is good: ours, neither it nor its device revoked, and its time is now.
    /// Of one that is good but for its time is said what is wrong with that.
    pub(crate) async fn token_holder(&self, token: &str) -> Result<Holder, UserError> {
        let (grant, time) = match self.tokens.verify(token, self.clock.now_ms()) {
            Ok(grant) => (grant, Ok(())),
            Err(TokenError::Expired(grant)) => (*grant, Err(UserError::TokenExpired)),
            Err(TokenError::NotYet(grant)) => (*grant, Err(UserError::TokenNotYet)),
            Err(_) => return Err(UserError::InvalidToken),
        };
        let Grant { holder, token_id, .. } = grant;
        let Holder { user_id, device, generation } = holder.clone();
        if !self.store.is_good(token_id, user_id, device, generation).await? {
            return Err(UserError::InvalidToken);
        }
        time.map(|()| holder)
    }
}
