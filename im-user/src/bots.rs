//! Bots: accounts that programs log in to, with a key.
//!
//! A bot is an account without a password, unless somebody who had one was made a bot. A key stands in the
//! store until it is revoked or its time is over; what is open with it ends then, as with any log-in that
//! ends. Logging out, though, ends a session and not its key: only who gives keys takes them.

use im_common::StoreError;
use metrics::counter;
use mpim_proto::{DeviceName, Role};
use mprpc::Context;

use crate::api_key::ApiKeyText;
use crate::devices::{Devices, NOTED_EVERY_MS};
use crate::error::UserError;
use crate::grant::{Granted, unmade};
use crate::log_in_id::{self, Standing};
use crate::log_out::Whose;
use crate::neighbours::Neighbours;
use crate::store::{
    ApiKey, Held, HeldKey, KEY_EXPIRED, KEY_REVOKED, KeyMade, NewAccount, NewApiKey, UserStore,
};
use crate::username::Username;
use crate::users::Users;

/// The device of a bot, and the class of those that are called something.
const DEVICE: &str = "bot";
/// Keys that end together for their time being over.
const OVER_MAX: u32 = 64;

/// A key that was made; by default none.
#[derive(Default)]
pub(crate) struct Made {
    /// Shown this once.
    pub(crate) text: String,
    pub(crate) key_id: String,
    /// 0: never.
    pub(crate) expires_at_ms: i64,
}

impl<S: UserStore> Users<S> {
    /// Makes an account that has no password, and answers whose it is.
    pub(crate) async fn create_bot(&self, name: &[u8]) -> Result<i64, UserError> {
        let name =
            Username::parse(name, self.config.username.length_max).ok_or(UserError::BadUsername)?;
        let account = NewAccount {
            name,
            password_hash: None,
            role: Role::Bot,
            device: DEVICE.to_owned(),
            log_in: None,
            now_ms: self.clock.now_ms(),
        };
        self.store.create_account(account).await?.ok_or(UserError::NameTaken)
    }

    /// Makes a key for a bot, good for so many seconds, or for ever with 0. Who uses it is the device
    /// `bot`, or `bot:<label>`: programs that are to have a place of their own have different labels.
    pub(crate) async fn make_key(
        &self,
        user_id: i64,
        label: &str,
        ttl_s: u32,
    ) -> Result<Made, UserError> {
        let device = match label {
            "" => DEVICE.to_owned(),
            label => format!("{DEVICE}:{label}"),
        };
        if DeviceName::parse(&device).is_none() {
            return Err(UserError::BadLabel);
        }
        let (shown, now_ms) = (ApiKeyText::new().map_err(unmade)?, self.clock.now_ms());
        let expires_at_ms = match ttl_s {
            0 => 0,
            ttl_s => now_ms + i64::from(ttl_s) * 1000,
        };
        let key = ApiKey {
            key_id: shown.id.clone(),
            user_id,
            device,
            created_at_ms: now_ms,
            expires_at_ms,
            last_used_at_ms: 0,
        };
        let per_bot_max = self.config.api_keys.per_bot_max;
        let made = NewApiKey { key, secret_hash: shown.hash(), per_bot_max };
        match self.store.make_key(made).await? {
            KeyMade::Made => {
                counter!("mpim_api_keys_made_total").increment(1);
                tracing::info!(user_id, key = shown.id, "an API key was made");
                Ok(Made { text: shown.text(), key_id: shown.id, expires_at_ms })
            }
            KeyMade::NoSuchUser => Err(UserError::NoSuchUser),
            KeyMade::NoBot => Err(UserError::NoBot),
            KeyMade::TooMany => Err(UserError::TooManyKeys),
        }
    }

    /// The keys of a bot.
    pub(crate) async fn keys(&self, user_id: i64) -> Result<Vec<ApiKey>, UserError> {
        Ok(self.store.keys(user_id).await?)
    }

    /// Revokes a key, durably; whatever is open with it ends as soon as others can be told.
    pub(crate) async fn revoke_key(&self, key_id: String) -> Result<(), UserError> {
        let known = log_in_id::is_one(&key_id)
            && self.store.end_key(key_id.clone(), KEY_REVOKED, self.clock.now_ms()).await?;
        if !known {
            return Err(UserError::NoSuchKey);
        }
        tracing::info!(key = key_id, "an API key was revoked");
        self.log_ins_ended("key_revoked", 1);
        Ok(())
    }

    /// Ends keys whose time is over.
    pub(crate) async fn end_keys_over(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        for key_id in self.store.keys_over(now_ms, OVER_MAX).await? {
            if self.store.end_key(key_id, KEY_EXPIRED, now_ms).await? {
                self.log_ins_ended("key_expired", 1);
            }
        }
        Ok(())
    }

    /// Whose key this is, if it is good.
    async fn held_key(&self, shown: &ApiKeyText) -> Result<HeldKey, UserError> {
        let known = self.store.key(shown.id.clone()).await?.ok_or(UserError::InvalidToken)?;
        let is_good =
            shown.is_of(&known.secret_hash) && known.account.role == Role::Bot && !known.disabled;
        if !is_good {
            return Err(UserError::InvalidToken);
        }
        match known.key.is_over(self.clock.now_ms()) {
            true => Err(UserError::TokenExpired),
            false => Ok(known),
        }
    }

    /// Logs a bot out that shows its key: nothing ends but, `everywhere`, whatever it has open.
    pub(crate) async fn log_out_by_key(
        &self,
        user_id: i64,
        shown: &ApiKeyText,
        everywhere: bool,
    ) -> Result<(), UserError> {
        let HeldKey { account, .. } = self.held_key(shown).await?;
        if account.user_id != user_id {
            return Err(UserError::InvalidToken);
        }
        let now_ms = self.clock.now_ms();
        if everywhere && self.store.end_all_log_ins(user_id, account.epoch, now_ms).await? {
            self.log_ins_ended("everywhere", 1);
        }
        Ok(())
    }
}

impl<S: UserStore, N: Neighbours> Devices<S, N> {
    /// Whose token or key this is, if it is good. Using a key is logging in with its device.
    pub(crate) async fn token_holder(
        &self,
        cx: &Context,
        token: &str,
    ) -> Result<Granted, UserError> {
        match ApiKeyText::parse(token) {
            None => self.users.token_holder(token).await,
            Some(shown) => self.key_holder(cx, &shown).await,
        }
    }

    async fn key_holder(&self, cx: &Context, shown: &ApiKeyText) -> Result<Granted, UserError> {
        let HeldKey { key, account, .. } = self.users.held_key(shown).await?;
        let generation = self.begins(cx, account.user_id, key.device.clone()).await?;
        let now_ms = self.clock.now_ms();
        if now_ms - key.last_used_at_ms >= NOTED_EVERY_MS {
            self.users.store.key_used(key.key_id.clone(), now_ms).await?;
        }
        let (user_id, epoch) = (account.user_id, account.epoch);
        let (device, log_in_id) = (key.device, key.key_id);
        let held = Held { user_id, device, generation, log_in_id, epoch };
        Ok(Granted::known(held, account, key.expires_at_ms))
    }
}

impl Whose {
    /// Whether it is what a key was used for.
    pub(crate) fn is_key(&self) -> bool {
        match self {
            Self::Token(token) => ApiKeyText::parse(token).is_some(),
            Self::Session(held, _) => log_in_id::standing(&held.log_in_id) == Standing::Key,
        }
    }
}

#[cfg(test)]
mod tests;
