//! The part of the port that is about the API keys of bots.

use im_common::StoreError;

use super::Account;

/// What the user of an open session is told whose key was revoked.
pub(crate) const KEY_REVOKED: &str = "key revoked";
/// The same of one whose time is over.
pub(crate) const KEY_EXPIRED: &str = "key expired";

/// A key that a bot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// As [`crate::log_in_id`] makes them.
    pub(crate) key_id: String,
    pub(crate) user_id: i64,
    /// The name of the device that whoever uses it is.
    pub(crate) device: String,
    pub(crate) created_at_ms: i64,
    /// 0: never.
    pub(crate) expires_at_ms: i64,
    /// As far as it was noted; 0: never.
    pub(crate) last_used_at_ms: i64,
}

impl ApiKey {
    /// Whether its time is over.
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        (1..=now_ms).contains(&self.expires_at_ms)
    }
}

/// A key that is made; it was never used.
#[derive(Clone, Debug)]
pub(crate) struct NewApiKey {
    pub(crate) key: ApiKey,
    /// Of its secret.
    pub(crate) secret_hash: [u8; 32],
    /// The most keys of one bot.
    pub(crate) per_bot_max: u32,
}

/// A key with whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldKey {
    pub(crate) key: ApiKey,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) account: Account,
    /// Nobody logs in.
    pub(crate) disabled: bool,
}

/// How [`ApiKeyStore::make_key`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyMade {
    /// The bot has it.
    Made,
    NoSuchUser,
    /// The user is none.
    NoBot,
    /// It has as many as allowed.
    TooMany,
}

/// The API keys of bots. That a key is good while it is there is for
/// [`account_of`](super::LogInStore::account_of) to say, of whatever has its id.
pub(crate) trait ApiKeyStore {
    /// A bot has one key more, but never more than it may, whatever the number of callers. The same again
    /// changes nothing.
    fn make_key(&self, made: NewApiKey)
    -> impl Future<Output = Result<KeyMade, StoreError>> + Send;

    /// The keys of a user, by when they were made.
    fn keys(&self, user_id: i64) -> impl Future<Output = Result<Vec<ApiKey>, StoreError>> + Send;

    /// The key of this id.
    fn key(
        &self,
        key_id: String,
    ) -> impl Future<Output = Result<Option<HeldKey>, StoreError>> + Send;

    /// It was used then, if it is there.
    fn key_used(
        &self,
        key_id: String,
        now_ms: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// There is no such key any more, and others have to be told why; whether there was.
    fn end_key(
        &self,
        key_id: String,
        reason: &'static str,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keys whose time is over, at most `limit`.
    fn keys_over(
        &self,
        now_ms: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;
}
