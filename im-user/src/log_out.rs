//! Tokens after they were given out: is one still good, and making it good no longer.

use crate::error::UserError;
use crate::store::UserStore;
use crate::token::TokenError;
use crate::users::Users;

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
            Ok(grant) if grant.user_id == user_id => {
                let revoked =
                    self.store.revoke_token(grant.token_id, grant.expires_at_ms, now_ms).await;
                Ok(revoked?)
            }
            Err(TokenError::Expired) => Ok(()),
            _ => Err(UserError::InvalidToken),
        }
    }

    /// Whose token this is, if it is good: ours, not expired, not revoked.
    pub(crate) async fn token_holder(&self, token: &str) -> Result<i64, UserError> {
        let verified = self.tokens.verify(token, self.clock.now_ms());
        let grant = verified.map_err(|error| match error {
            TokenError::Expired => UserError::TokenExpired,
            _ => UserError::InvalidToken,
        })?;
        if self.store.is_revoked(grant.token_id).await? {
            return Err(UserError::InvalidToken);
        }
        Ok(grant.user_id)
    }
}
