//! The port: what im-user needs of a database.
//!
//! Each method is one fact, true or not at all. What is said here holds for any number of callers
//! at once, on any number of instances; `conformance` holds every adapter to it. A write that has
//! answered is durable. A write that failed with [`StoreError`] may or may not have happened, and
//! may be repeated.

mod api_keys;
#[cfg(test)]
mod conformance;
mod devices;
mod log_ins;
mod mysql;
mod revocations;
mod sqlite;

use im_common::StoreError;
use mpim_proto::Role;
use secrecy::{ExposeSecret as _, SecretString};

use crate::username::Username;

pub(crate) use api_keys::{
    ApiKey, ApiKeyStore, HeldKey, KEY_EXPIRED, KEY_REVOKED, KeyMade, NewApiKey,
};
pub(crate) use devices::{Device, DeviceStore, Noted, Room};
pub(crate) use log_ins::{
    Account, Change, Ending, FIRST_EPOCH, FirstLogIn, Held, LogInStore, NewLogIn, Rotated,
    Rotation, Shown,
};
pub(crate) use mysql::{MIGRATIONS as MYSQL_MIGRATIONS, MysqlStore};
pub(crate) use revocations::{DueTime, EndedLogIns, Revocation, RevocationStore, RevokedDevice};
pub(crate) use sqlite::SqliteStore;

/// An account to be created.
#[derive(Debug)]
pub(crate) struct NewAccount {
    pub(crate) name: Username,
    /// `None`: nobody logs in by password.
    pub(crate) password_hash: Option<SecretString>,
    pub(crate) role: Role,
    /// The name of the device that it is made with.
    pub(crate) device: String,
    /// The log-in that it is made with, if that refreshes.
    pub(crate) log_in: Option<FirstLogIn>,
    pub(crate) now_ms: i64,
}

impl NewAccount {
    /// The log-in that it is made with, once it has an id.
    fn first_log_in(&self, user_id: i64) -> Option<(Held, &FirstLogIn)> {
        let first = self.log_in.as_ref()?;
        let (device, log_in_id) = (self.device.clone(), first.log_in_id.clone());
        Some((Held { user_id, device, generation: 1, log_in_id, epoch: FIRST_EPOCH }, first))
    }

    /// What stands for its password: nothing hashes to nothing.
    fn stored_hash(&self) -> &str {
        self.password_hash.as_ref().map_or("", |hash| hash.expose_secret())
    }
}

/// What a log-in is checked against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) account: Account,
    /// `None`: it has no password.
    pub(crate) password_hash: Option<SecretString>,
    /// Nobody logs in.
    pub(crate) disabled: bool,
}

/// What stands there for a password, if there is one.
fn password_hash(stored: String) -> Option<SecretString> {
    (!stored.is_empty()).then(|| SecretString::from(stored))
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) user_id: i64,
    pub(crate) name: String,
}

/// How making two users friends ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Befriended {
    /// Each is the other's friend now.
    Added,
    /// They were friends before.
    Already,
    /// One of the two ids is nobody's.
    NoSuchUser,
    /// One of the two has as many friends as allowed.
    TooMany,
}

/// Accounts and friendships; [devices](DeviceStore), [log-ins](LogInStore), [keys](ApiKeyStore), and
/// [what others are told of them](RevocationStore).
pub(crate) trait UserStore:
    DeviceStore + LogInStore + ApiKeyStore + RevocationStore + Send + Sync + 'static
{
    /// Creates an account and gives its id; `None` if the name's [key](Username::key) is taken.
    ///
    /// Of any number of callers with one name exactly one gets an id. Ids are 1, 2, 3 … in the
    /// order of creation, and a name that was taken uses none up. The account has its device from the
    /// beginning, of generation 1 and opened: nothing can wait for it yet; and its first log-in, if there is
    /// to be one, has begun on that.
    fn create_account(
        &self,
        account: NewAccount,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// The credentials of the account with this [key](Username::key).
    fn credentials(
        &self,
        name_key: String,
    ) -> impl Future<Output = Result<Option<Credentials>, StoreError>> + Send;

    /// The name and the credentials of the account with this id.
    fn credentials_of(
        &self,
        user_id: i64,
    ) -> impl Future<Output = Result<Option<Credentials>, StoreError>> + Send;

    /// Those of the users that exist, each once, by id.
    fn profiles(
        &self,
        user_ids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<Profile>, StoreError>> + Send;

    /// Those of the accounts with these [keys](Username::key).
    fn profiles_of(
        &self,
        name_keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Profile>, StoreError>> + Send;

    /// Makes two different users friends, in both directions at once.
    ///
    /// Neither ever has more than `friends_max` friends; of callers at once exactly one gets
    /// [`Befriended::Added`], whichever of the two each of them names first.
    fn befriend(
        &self,
        user_id: i64,
        friend_id: i64,
        friends_max: u32,
        now_ms: i64,
    ) -> impl Future<Output = Result<Befriended, StoreError>> + Send;

    /// Ends a friendship in both directions at once; whether there was one.
    fn unfriend(
        &self,
        user_id: i64,
        friend_id: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The user's friends, by id.
    fn friends(&self, user_id: i64) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;
}
