//! Building a channel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::target::Target;
use super::{Channel, Services, Shared};
use crate::balance::Balance;
use crate::discovery::{Discover, Memory, Static};
use crate::transport::classic_client::Bounds;

/// Why a channel cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The target cannot be understood.
    #[error("the target `{target}` cannot be used: {reason}")]
    Target {
        /// As it was given.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Builds a [`Channel`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ChannelBuilder {
    target: String,
    memory: Option<Memory>,
    balance: Balance,
    connect_timeout: Duration,
    classic: Bounds,
}

impl ChannelBuilder {
    pub(super) fn new(target: String) -> Self {
        let classic = Bounds::default();
        Self {
            target,
            memory: None,
            balance: Balance::default(),
            connect_timeout: classic.connect_timeout,
            classic,
        }
    }

    /// The registry that `memory://` means.
    pub fn memory(mut self, memory: &Memory) -> Self {
        self.memory = Some(memory.clone());
        self
    }

    /// How calls are spread over instances (least requests).
    pub fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// The time for connecting to an instance (3 s).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self.classic.connect_timeout = timeout;
        self
    }

    /// How many classic connections an instance gets at most (50); a call past that waits for one.
    pub fn classic_connections_max(mut self, connections: usize) -> Self {
        self.classic.connections_max = connections.max(1);
        self
    }

    /// Builds the channel. Nothing is connected yet.
    ///
    /// # Errors
    /// The target cannot be understood, or is `memory://` and no registry was given.
    pub fn build(self) -> Result<Channel, ChannelError> {
        let registry: Box<dyn Discover> = match Target::parse(&self.target)? {
            Target::Static(endpoints) => Box::new(Static::new(endpoints)),
            Target::Memory => Box::new(self.memory.ok_or_else(|| ChannelError::Target {
                target: self.target.clone(),
                reason: "no registry of this process was given".to_owned(),
            })?),
        };
        Ok(Channel {
            shared: Arc::new(Shared {
                target: self.target,
                registry,
                balance: self.balance,
                connect_timeout: self.connect_timeout,
                classic: self.classic,
                instances: Mutex::new(HashMap::new()),
                services: Mutex::new(Services::default()),
            }),
        })
    }
}
