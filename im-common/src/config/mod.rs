//! Configuration: a TOML file over the built-in defaults, and the environment over both.
//!
//! The defaults are a value (`T::default()`), and its keys are all the keys there are. So a typo is
//! an error that names the file, the line, the key and the key that was probably meant; a value of
//! the wrong kind is one that shows what would be right; and a key that a file leaves out keeps the
//! value of the whole default, also inside a section that the file only gives in part.
//!
//! A text key `k` may also stand in a file of its own, named by `k_file` in the same section: that is
//! how secrets are handed to containers. No secret and no password of a URL is ever shown.
//!
//! A configuration struct derives `Serialize` and `Deserialize`, implements `Default` and
//! [`Validate`], and has no `Option`s: a `None` vanishes from the defaults, and its key with it.

mod env;
mod error;
mod file;
mod key;
mod load;
mod mask;
mod process;
mod registry;
mod rules;
mod service;
mod service_tls;
mod target;
mod text_file;
mod types;
mod zookeeper;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::{ConfigError, Origin, Problem};
pub(crate) use self::load::Layers;
use self::load::defaults_of;
pub use self::process::ProcessConfig;
pub(crate) use self::process::{Loaded, defaults as process_defaults, load as load_process};
pub use self::rules::Rules;
pub use self::service::{ClassicConfig, ServiceConfig, networks};
pub use self::service_tls::ServiceTlsConfig;
pub use self::target::{Target, TargetError};
pub use self::types::{AdminConfig, LogConfig, LogFormat, RpcConfig, ShutdownConfig};
pub use self::zookeeper::ZooKeeperConfig;

/// Rules that types cannot express.
pub trait Validate {
    /// Checks the values.
    ///
    /// # Errors
    /// Every broken rule as `key: what would be right`, for example
    /// `limits.members_max: must be 1..=100000, is 0`. The text before the colon is the key in full.
    fn validate(&self) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// Loads a configuration: `file` over `T::default()`, then each environment variable
/// `<env_prefix>_A__B=value` over the key `a.b`.
///
/// # Errors
/// A file that cannot be read or parsed, or all the unknown keys and bad values at once.
pub fn load<T>(file: Option<&Path>, env_prefix: &str) -> Result<T, ConfigError>
where
    T: Default + Serialize + DeserializeOwned + Validate,
{
    let env = std::env::vars_os().collect();
    let layers = Layers { file, env_prefix, env, arguments: Vec::new() };
    let mut effective = layers.over(defaults_of::<T>()?)?;
    let config = effective.extract::<T>()?;
    effective.finish()?;
    config.ok_or_else(|| ConfigError::Invalid(Vec::new()))
}

#[cfg(test)]
mod tests;
