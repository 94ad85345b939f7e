//! The port: what im-user needs of a database.
//!
//! Each method is one fact, true or not at all. What is said here holds for any number of callers
//! at once, on any number of instances; `conformance` holds every adapter to it. A write that has
//! answered is durable. A write that failed with [`StoreError`] may or may not have happened, and
//! may be repeated.

#[cfg(test)]
mod conformance;
mod devices;
mod log_ins;
mod mysql;
mod revocations;
mod sqlite;

use im_common::StoreError;
use secrecy::SecretString;

use crate::username::Username;

pub(crate) use devices::{Device, DeviceStore, Noted, Room};
pub(crate) use log_ins::{
    Account, Change, Ending, FIRST_EPOCH, Held, LogInStore, NewLogIn, Rotated, Rotation, Shown,
};
pub(crate) use mysql::{MIGRATIONS as MYSQL_MIGRATIONS, MysqlStore};
pub(crate) use revocations::{DueTime, EndedLogIns, Revocation, RevocationStore, RevokedDevice};
pub(crate) use sqlite::SqliteStore;

/// An account to be created.
#[derive(Debug)]
pub(crate) struct NewAccount {
    pub(crate) name: Username,
    pub(crate) password_hash: SecretString,
    /// The name of the device that it is made with.
    pub(crate) device: String,
    pub(crate) now_ms: i64,
}

/// What a log-in is checked against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) account: Account,
    pub(crate) password_hash: SecretString,
    /// Nobody logs in.
    pub(crate) disabled: bool,
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

/// Accounts and friendships; [devices](DeviceStore), [log-ins](LogInStore), and
/// [what others are told of them](RevocationStore).
pub(crate) trait UserStore:
    DeviceStore + LogInStore + RevocationStore + Send + Sync + 'static
{
    /// Creates an account and gives its id; `None` if the name's [key](Username::key) is taken.
    ///
    /// Of any number of callers with one name exactly one gets an id. Ids are 1, 2, 3 … in the
    /// order of creation, and a name that was taken uses none up. The account has its device from the
    /// beginning, of generation 1 and opened: nothing can wait for it yet.
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
