//! What the use cases work with. Each use case is a file of its own that adds its operations.

use im_common::Clock;
use im_common::redis::Redis;
use tokio::sync::Notify;

use crate::attempts::{Allowance, Attempts};
use crate::config::{Config, LogInConfig};
use crate::password::{HashError, PasswordHasher};
use crate::store::UserStore;
use crate::token::{TokenKey, Tokens};

/// Accounts and friendships over a store.
#[derive(Debug)]
pub(crate) struct Users<S> {
    pub(crate) store: S,
    pub(crate) hasher: PasswordHasher,
    pub(crate) attempts: Attempts,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// Something ended of which others have to be told.
    pub(crate) ended: Notify,
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
        key: TokenKey,
        cache: Option<Redis>,
        clock: Clock,
        config: Config,
    ) -> Result<Self, HashError> {
        let LogInConfig { failures_max, failure_refill_ms } = config.log_in;
        let allowance = Allowance::new(failures_max, failure_refill_ms);
        let attempts = Attempts::new(allowance, clock.clone(), cache);
        Ok(Self {
            store,
            hasher: PasswordHasher::new(&config.password)?,
            attempts,
            tokens: Tokens::new(key),
            clock,
            config,
            ended: Notify::new(),
        })
    }
}
