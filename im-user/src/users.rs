//! What the use cases work with. Each use case is a file of its own that adds its operations.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use im_common::Clock;
use im_common::redis::Redis;
use tokio::sync::Notify;

use crate::attempts::Attempts;
use crate::config::Config;
use crate::password::{HashError, PasswordHasher};
use crate::refresh_token::RefreshTokens;
use crate::store::UserStore;
use crate::token::{KeyRing, Tokens};

/// Accounts and friendships over a store.
#[derive(Debug)]
pub(crate) struct Users<S> {
    pub(crate) store: S,
    pub(crate) hasher: PasswordHasher,
    pub(crate) attempts: Attempts,
    pub(crate) tokens: Tokens,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// Something ended of which others have to be told.
    pub(crate) ended: Notify,
    /// Of how much that ended others had yet to be told when that was looked at last.
    pub(crate) untold: AtomicU32,
}

impl<S: UserStore> Users<S> {
    /// With the Redis in which all instances count failed log-ins, if there is one.
    ///
    /// Computes one password hash, so it blocks for as long as that takes.
    ///
    /// # Errors
    /// If the configured hash parameters do not go together.
    pub(crate) fn new(
        store: S,
        ring: Arc<KeyRing>,
        cache: Option<Redis>,
        clock: Clock,
        config: Config,
    ) -> Result<Self, HashError> {
        let attempts = Attempts::new(&config.log_in, clock.clone(), cache);
        Ok(Self {
            store,
            hasher: PasswordHasher::new(&config.password)?,
            attempts,
            refresh_tokens: RefreshTokens::new(ring.first()),
            tokens: Tokens::new(ring),
            clock,
            config,
            ended: Notify::new(),
            untold: AtomicU32::new(0),
        })
    }
}
