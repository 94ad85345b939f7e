//! Shutting somebody out, and letting them in again.

use im_common::{Clock, StoreError};
use mpim_proto::user_service;
use mprpc::{Context, Status};
use thiserror::Error;

use crate::store::Blocks;
use crate::users::Users;

/// What a block needs besides the store.
#[derive(Debug)]
pub(crate) struct Blocking {
    pub(crate) clock: Clock,
    /// How many one user shuts out at most.
    pub(crate) per_user_max: usize,
}

/// Why nothing changed.
#[derive(Debug, Error)]
pub(crate) enum BlockError {
    /// No user has that id, or it is one's own.
    #[error("bad uid")]
    BadUser,
    #[error("no such user")]
    NoSuchUser,
    #[error("too many blocked")]
    TooMany,
    /// It may have changed all the same; the same again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// im-user could not be asked.
    #[error("{0}")]
    Users(Status),
}

impl Blocking {
    /// From its answer on, what `whom` writes to `by` is refused. The same again changes nothing.
    /// Cancel safety: dropped, it may have taken effect.
    pub(crate) async fn block<U: user_service::Server>(
        &self,
        store: &impl Blocks,
        users: &Users<U>,
        cx: &Context,
        by: i64,
        whom: i64,
    ) -> Result<(), BlockError> {
        check(users, cx, by, whom).await?;
        match store.block(by, whom, self.clock.now_ms(), self.per_user_max).await? {
            true => Ok(()),
            false => Err(BlockError::TooMany),
        }
    }

    /// From its answer on, `whom` can write to `by`. Letting in who was not shut out changes nothing,
    /// and is what a second try finds.
    pub(crate) async fn unblock<U: user_service::Server>(
        &self,
        store: &impl Blocks,
        users: &Users<U>,
        cx: &Context,
        by: i64,
        whom: i64,
    ) -> Result<(), BlockError> {
        check(users, cx, by, whom).await?;
        Ok(store.unblock(by, whom).await?)
    }
}

async fn check<U: user_service::Server>(
    users: &Users<U>,
    cx: &Context,
    by: i64,
    whom: i64,
) -> Result<(), BlockError> {
    if by <= 0 || whom <= 0 || by == whom {
        return Err(BlockError::BadUser);
    }
    match users.exists(cx, whom).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(BlockError::NoSuchUser),
        Err(status) => Err(BlockError::Users(status)),
    }
}
