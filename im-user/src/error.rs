//! How an operation of im-user ends when it does not succeed.

use im_common::StoreError;
use mprpc::Status;

use crate::password::HashError;
use crate::token::TokenError;

/// Refusals, which are answers in the words of the protocol, and failures, which are not the
/// caller's. `service.rs` tells them apart, in one place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("bad username")]
    BadUsername,
    #[error("weak password")]
    WeakPassword,
    #[error("exists")]
    NameTaken,
    #[error("bad cred")]
    BadCredentials,
    #[error("account disabled")]
    Disabled,
    #[error("no such user")]
    NoSuchUser,
    /// For so many ms more.
    #[error("too many attempts")]
    TooManyAttempts(i64),
    #[error("invalid token")]
    InvalidToken,
    #[error("token expired")]
    TokenExpired,
    #[error("token not yet valid")]
    TokenNotYet,
    /// For what they have shown, or for their role.
    #[error("not allowed")]
    NotAllowed,
    #[error("not a bot")]
    NoBot,
    #[error("bad label")]
    BadLabel,
    #[error("no such key")]
    NoSuchKey,
    #[error("too many keys")]
    TooManyKeys,
    #[error("bad friend_id")]
    BadFriendId,
    #[error("friend not found")]
    FriendNotFound,
    #[error("already friends")]
    AlreadyFriends,
    #[error("too many friends")]
    TooManyFriends,
    #[error("bad device")]
    BadDevice,
    #[error("no such device")]
    NoSuchDevice,
    #[error("too many devices")]
    TooManyDevices,
    /// im-message could not be told of a device that begins.
    #[error("where the device begins is not settled: {}", .0.message())]
    NotOpened(Status),
    /// im-message could not be asked who shuts out whom.
    #[error("who is shut out is not known: {}", .0.message())]
    NotAsked(Status),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token could not be made.
    #[error(transparent)]
    Token(TokenError),
}
