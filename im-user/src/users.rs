//! What the use cases work with. Each use case is a file of its own that adds its operations.

use im_common::Clock;
use im_common::redis::Redis;

use crate::attempts::{Allowance, Attempts};
use crate::config::{Config, LogInConfig};
use crate::error::UserError;
use crate::password::{HashError, PasswordHasher};
use crate::store::UserStore;
use crate::token::{Holder, TokenKey, Tokens};

/// Accounts and friendships over a store.
#[derive(Debug)]
pub(crate) struct Users<S> {
    pub(crate) store: S,
    pub(crate) hasher: PasswordHasher,
    pub(crate) attempts: Attempts,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
}

/// Someone who has just registered or logged in; by default nobody, for the answer to a refusal.
#[derive(Debug, Default)]
pub(crate) struct LoggedIn {
    pub(crate) user_id: i64,
    pub(crate) token: String,
    /// Of the device.
    pub(crate) generation: i64,
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
            tokens: Tokens::new(key, config.token.ttl_s),
            clock,
            config,
        })
    }

    /// Gives a user who has proved who they are a token of their device.
    pub(crate) fn logged_in(
        &self,
        user_id: i64,
        device: String,
        generation: i64,
    ) -> Result<LoggedIn, UserError> {
        let of = Holder { user_id, device, generation };
        let token = self.tokens.issue(of, self.clock.now_ms()).map_err(UserError::Token)?;
        Ok(LoggedIn { user_id, token, generation })
    }
}
