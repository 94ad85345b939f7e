//! Log-ins after they began: is one still good, and ending it.

use crate::error::UserError;
use crate::grant::Granted;
use crate::store::{Ending, Held, Shown, UserStore};
use crate::token::{Grant, TokenError};
use crate::users::Users;

/// For how long what is known of an end outlives the tokens. By the clock of another instance, or by this
/// one's after it was put right, they may not have expired yet, and would be good again.
pub(crate) const KEPT_AFTER_EXPIRY_MS: i64 = 24 * 3600 * 1000;

/// Which log-in is to end.
#[derive(Debug)]
pub(crate) enum Whose {
    /// That of a token, which may be over.
    Token(String),
    /// That of a session, whose gateway says which it is.
    Session(String),
}

impl<S: UserStore> Users<S> {
    /// Ends a log-in of the user, or all of them: durably, and whatever is open ends as soon as others
    /// can be told. One that has ended already is no error: the caller has what it wants.
    ///
    /// The original's token `tok_<uid>` is accepted and proves nothing, so there is nothing to end.
    pub(crate) async fn log_out(
        &self,
        user_id: i64,
        whose: Whose,
        everywhere: bool,
    ) -> Result<(), UserError> {
        let now_ms = self.clock.now_ms();
        let longest_ms = i64::from(self.config.token.ttl_s) * 1000;
        let (log_in_id, expires_at_ms) = match whose {
            Whose::Token(token) if is_original(&token, user_id) => return Ok(()),
            Whose::Token(token) => {
                let (Grant { held, expires_at_ms }, time) = self.ours(&token, now_ms)?;
                if held.user_id != user_id {
                    return Err(UserError::InvalidToken);
                }
                if everywhere {
                    // A token that is over may be anybody's by now: it does not end what others began.
                    time?;
                    let account = self.store.account_of(held.clone(), Shown::Token).await?;
                    account.ok_or(UserError::InvalidToken)?;
                }
                (held.log_in_id, expires_at_ms)
            }
            Whose::Session(log_in_id) => (log_in_id, now_ms + longest_ms),
        };
        if everywhere {
            self.store.end_all_log_ins(user_id, now_ms).await?;
            self.log_ins_ended("everywhere", 1);
            return Ok(());
        }
        let forget_before_ms = now_ms - KEPT_AFTER_EXPIRY_MS;
        let ending =
            Ending { user_id, log_in_id, expires_at_ms, forget_before_ms, due_at_ms: now_ms };
        if self.store.end_log_in(ending).await? {
            self.log_ins_ended("logged_out", 1);
        }
        Ok(())
    }

    /// Whose token this is, if it is good: ours, neither its log-in nor its device over, and its time is
    /// now. Of one that is good but for its time is said what is wrong with that.
    pub(crate) async fn token_holder(&self, token: &str) -> Result<Granted, UserError> {
        let (Grant { held, expires_at_ms }, time) = self.ours(token, self.clock.now_ms())?;
        let account = self.store.account_of(held.clone(), Shown::Token).await?;
        let account = account.ok_or(UserError::InvalidToken)?;
        time.map(|()| Granted::known(held, account, expires_at_ms))
    }

    /// Whether a session that has begun may go on.
    pub(crate) async fn session_holder(&self, held: Held) -> Result<Granted, UserError> {
        let account = self.store.account_of(held.clone(), Shown::Session).await?;
        Ok(Granted::known(held, account.ok_or(UserError::InvalidToken)?, 0))
    }

    /// What a token says that we signed, and what is wrong with its time.
    fn ours(&self, token: &str, now_ms: i64) -> Result<(Grant, Result<(), UserError>), UserError> {
        match self.tokens.verify(token, now_ms) {
            Ok(grant) => Ok((grant, Ok(()))),
            Err(TokenError::Expired(grant)) => Ok((*grant, Err(UserError::TokenExpired))),
            // By other clocks it is good already.
            Err(TokenError::NotYet(grant)) => Ok((*grant, Err(UserError::TokenNotYet))),
            Err(_) => Err(UserError::InvalidToken),
        }
    }
}

fn is_original(token: &str, user_id: i64) -> bool {
    token.strip_prefix("tok_").is_some_and(|id| id == user_id.to_string())
}
