//! Log-ins after they began: is one still good, and ending it.

use std::sync::atomic::Ordering;

use crate::api_key::ApiKeyText;
use crate::error::UserError;
use crate::grant::Granted;
use crate::log_in_id;
use crate::metrics::count_untold;
use crate::store::{Ending, Held, Shown, UserStore};
use crate::token::{Grant, TokenError};
use crate::users::Users;

/// For how long what is known of an end outlives the tokens. By the clock of another instance, or by this
/// one's after it was put right, they may not have expired yet, and would be good again.
pub(crate) const KEPT_AFTER_EXPIRY_MS: i64 = 24 * 3600 * 1000;

/// Which log-in somebody means.
#[derive(Debug)]
pub(crate) enum Whose {
    /// That of a token, which may be over.
    Token(String),
    /// That of a session, whose gateway says which it is, and when what was given out with it expires; 0
    /// if it does not know that.
    Session(Held, i64),
}

impl Whose {
    /// As a gateway says it.
    pub(crate) fn session(said: mpim_proto::Held) -> Self {
        let expires_at_ms = said.expires_at_ms;
        Self::Session(said.into(), expires_at_ms)
    }
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
        if let Whose::Token(token) = &whose
            && let Some(key) = ApiKeyText::parse(token)
        {
            return self.log_out_by_key(user_id, &key, everywhere).await;
        }
        let now_ms = self.clock.now_ms();
        let (held, expires_at_ms, shown) = match whose {
            Whose::Token(token) if is_original(&token, user_id) && !everywhere => return Ok(()),
            Whose::Token(token) => {
                let (Grant { held, expires_at_ms }, time) = self.ours(&token, now_ms)?;
                if everywhere {
                    // A token that is over may be anybody's by now: it does not end what others began.
                    time?;
                }
                (held, expires_at_ms, Shown::Token)
            }
            Whose::Session(held, expires_at_ms) => {
                let longest_ms = i64::from(self.config.token.ttl_s) * 1000;
                let known = Some(expires_at_ms).filter(|it| *it > 0);
                // Others of its sessions may be as old: none may go on for having outlived the token.
                let expires_at_ms = known.unwrap_or(now_ms + longest_ms).max(now_ms);
                (named(held)?, expires_at_ms, Shown::Session)
            }
        };
        if held.user_id != user_id {
            return Err(UserError::InvalidToken);
        }
        if everywhere {
            return self.end_all_log_ins(held, shown, now_ms).await;
        }
        let forget_before_ms = now_ms - KEPT_AFTER_EXPIRY_MS;
        if expires_at_ms < forget_before_ms && shown == Shown::Token {
            // By whatever clock it is good for nothing, and maybe not in the hands of who was given it.
            return Ok(());
        }
        let log_in_id = held.log_in_id;
        let due_at_ms = self.may_tell().then_some(now_ms);
        let ending = Ending { user_id, log_in_id, expires_at_ms, forget_before_ms, due_at_ms };
        if self.store.end_log_in(ending).await? {
            self.log_ins_ended("logged_out", 1);
        }
        Ok(())
    }

    /// All log-ins of a user end, whose own is the one that is shown, and must be good: what was stolen and
    /// has ended ends nothing.
    async fn end_all_log_ins(
        &self,
        held: Held,
        shown: Shown,
        now_ms: i64,
    ) -> Result<(), UserError> {
        let account = self.store.account_of(held, shown).await?.ok_or(UserError::InvalidToken)?;
        if self.store.end_all_log_ins(account.user_id, account.epoch, now_ms).await? {
            self.log_ins_ended("everywhere", 1);
        }
        Ok(())
    }

    /// Whether gateways are told of one more log-in that its own user has ended. With so many untold it
    /// would be told too late to be of use, and what is open of it ends when its gateway asks.
    fn may_tell(&self) -> bool {
        let room = self.untold.load(Ordering::Relaxed) < self.config.devices.untold_max;
        if !room {
            count_untold();
        }
        room
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
        let held = named(held)?;
        let account = self.store.account_of(held.clone(), Shown::Session).await?;
        Ok(Granted::known(held, account.ok_or(UserError::InvalidToken)?, 0))
    }

    /// Whose log-in is meant, if it is good.
    pub(crate) async fn holder(&self, whose: Whose) -> Result<Granted, UserError> {
        match whose {
            Whose::Token(token) => self.token_holder(&token).await,
            Whose::Session(held, _) => self.session_holder(held).await,
        }
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

/// What names a log-in; anything else says of none that it is good, nor that it has ended.
fn named(held: Held) -> Result<Held, UserError> {
    if log_in_id::is_one(&held.log_in_id) { Ok(held) } else { Err(UserError::InvalidToken) }
}

fn is_original(token: &str, user_id: i64) -> bool {
    token.strip_prefix("tok_").is_some_and(|id| id == user_id.to_string())
}
