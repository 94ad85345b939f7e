//! What somebody is given who has proved who they are: a log-in, and tokens of it.
//!
//! A log-in that does not refresh is written in its token alone, so that storms of log-ins write nothing.
//! One that does has a row, a token of a short life, and a secret that is good for one more of both.
//! Whoever shows a secret of before has a copy of it, or somebody else has: the log-in ends, whoever of the
//! two it was. But for the last one shown again at once, while nobody has shown the next: the answer may
//! have been lost, and it is the same.

use mpim_proto::{DeviceName, Role};

use crate::devices::NOTED_EVERY_MS;
use crate::error::UserError;
use crate::log_in_id::{self, Standing};
use crate::log_out::KEPT_AFTER_EXPIRY_MS;
use crate::metrics::{count_ended, count_refresh};
use crate::refresh_token::RefreshToken;
use crate::store::{Account, Held, NewLogIn, Rotated, Rotation, UserStore};
use crate::token::{KeyError, TokenError};
use crate::users::Users;

/// The device of a log-in, and how long its tokens live.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) device: String,
    pub(crate) refreshes: bool,
}

/// Someone who has proved who they are, with what they are given for it; by default nobody, for the answer
/// to a refusal. Where nothing new was given out the tokens are empty.
#[derive(Default)]
pub(crate) struct Granted {
    pub(crate) held: Held,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) token: String,
    pub(crate) expires_at_ms: i64,
    pub(crate) refresh_token: String,
    pub(crate) refresh_expires_at_ms: i64,
}

impl Granted {
    /// What is known of a log-in that was there before: nothing new is given out.
    pub(crate) fn known(held: Held, account: Account, expires_at_ms: i64) -> Self {
        let Account { name, role, .. } = account;
        Self { held, name, role, expires_at_ms, ..Self::default() }
    }
}

impl<S: UserStore> Users<S> {
    /// Begins a log-in of a user who has proved who they are, on a device of this generation.
    pub(crate) async fn grant(
        &self,
        account: Account,
        wanted: Wanted,
        generation: i64,
    ) -> Result<Granted, UserError> {
        let Wanted { device, refreshes } = wanted;
        let now_ms = self.clock.now_ms();
        let (log_in_id, refresh) = self.new_log_in(refreshes, now_ms)?;
        let Account { user_id, epoch, .. } = account;
        let held = Held { user_id, device, generation, log_in_id, epoch };
        let Some(refresh) = refresh else { return self.signed(held, account, None, now_ms) };
        // What has no id, a browser for one, is not the only one of its name.
        let replaces = DeviceName::parse(&held.device).is_some_and(|name| name.id.is_some());
        let begun = NewLogIn {
            held: held.clone(),
            refresh_hash: refresh.token.hash(),
            now_ms,
            expires_at_ms: refresh.expires_at_ms,
            replaces,
            per_user_max: self.config.token.refreshing_max,
            forget_before_ms: now_ms - KEPT_AFTER_EXPIRY_MS,
        };
        // Since the password was read its user may have been put out.
        let ended = self.store.begin_log_in(begun).await?.ok_or(UserError::BadCredentials)?;
        if ended > 0 {
            self.log_ins_ended("replaced", ended);
        }
        self.signed(held, account, Some(refresh), now_ms)
    }

    /// The same log-in with new tokens, for the last one that refreshes it.
    pub(crate) async fn refresh(&self, token: &str) -> Result<Granted, UserError> {
        let outcome = self.rotate(token).await;
        count_refresh(&outcome);
        outcome
    }

    async fn rotate(&self, token: &str) -> Result<Granted, UserError> {
        let shown = self.refresh_tokens.parse(token).ok_or(UserError::InvalidToken)?;
        let next = self.refresh_tokens.next(&shown);
        let now_ms = self.clock.now_ms();
        let rotation = Rotation {
            log_in_id: shown.log_in_id.clone(),
            shown_hash: shown.hash(),
            next_hash: next.hash(),
            now_ms,
            expires_at_ms: self.refresh_expires_at_ms(now_ms),
            again_ms: self.config.token.again_ms.into(),
            noted_before_ms: now_ms - NOTED_EVERY_MS,
        };
        // One that failed may have happened. Whoever asked comes again, and is given the same.
        match self.store.rotate(rotation).await? {
            Rotated::Done(held, account, expires_at_ms) => {
                let next = Refresh { token: next, expires_at_ms };
                self.signed(held, account, Some(next), now_ms)
            }
            Rotated::Reused(user_id) => {
                let log_in = &shown.log_in_id;
                tracing::warn!(user_id, log_in, "a refresh token was used twice: its log-in ends");
                self.log_ins_ended("reused", 1);
                Err(UserError::InvalidToken)
            }
            Rotated::Unknown => Err(UserError::InvalidToken),
        }
    }

    /// Log-ins ended, and others have to be told.
    pub(crate) fn log_ins_ended(&self, why: &'static str, count: u32) {
        count_ended(why, count);
        self.ended.notify_one();
    }

    /// The id of a log-in that is to begin, and what refreshes it.
    pub(crate) fn new_log_in(
        &self,
        refreshes: bool,
        now_ms: i64,
    ) -> Result<(String, Option<Refresh>), UserError> {
        let standing = if refreshes { Standing::Written } else { Standing::Unwritten };
        let log_in_id = log_in_id::new(standing).map_err(unmade)?;
        let refresh = refreshes.then(|| self.first_refresh(&log_in_id, now_ms)).transpose()?;
        Ok((log_in_id, refresh))
    }

    /// One that follows no other.
    pub(crate) fn first_refresh(&self, log_in_id: &str, now_ms: i64) -> Result<Refresh, UserError> {
        let token = self.refresh_tokens.first(log_in_id).map_err(unmade)?;
        Ok(Refresh { token, expires_at_ms: self.refresh_expires_at_ms(now_ms) })
    }

    fn refresh_expires_at_ms(&self, now_ms: i64) -> i64 {
        now_ms + i64::from(self.config.token.refresh_ttl_s) * 1000
    }

    /// New tokens of a log-in.
    pub(crate) fn signed(
        &self,
        held: Held,
        account: Account,
        refresh: Option<Refresh>,
        now_ms: i64,
    ) -> Result<Granted, UserError> {
        let ttl_s = match refresh {
            Some(_) => self.config.token.access_ttl_s,
            None => self.config.token.ttl_s,
        };
        let issued = self.tokens.issue(&held, account.role, ttl_s, now_ms);
        let (token, grant) = issued.map_err(UserError::Token)?;
        let (refresh_token, refresh_expires_at_ms) = match refresh {
            Some(Refresh { token, expires_at_ms }) => (token.text(), expires_at_ms),
            None => Default::default(),
        };
        let granted = Granted::known(held, account, grant.expires_at_ms);
        Ok(Granted { token, refresh_token, refresh_expires_at_ms, ..granted })
    }
}

pub(crate) fn unmade(error: KeyError) -> UserError {
    UserError::Token(TokenError::Signing(error.to_string()))
}

/// A token that refreshes a log-in, and until when.
pub(crate) struct Refresh {
    pub(crate) token: RefreshToken,
    pub(crate) expires_at_ms: i64,
}

#[cfg(test)]
mod tests;
