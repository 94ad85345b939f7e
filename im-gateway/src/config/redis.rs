//! Section `[redis]`.

use im_common::redis::{RedisConfig, RedisUrl};
use serde::{Deserialize, Serialize};

/// Where Redis is, for those modes that need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct RedisRoles {
    /// Where the original system keeps its routes; empty: none.
    pub metadata_url: RedisUrl,
    /// What carries pushes from im-presence, where that is not done directly; empty: none.
    pub queue_url: RedisUrl,
    /// What the roles share.
    #[serde(flatten)]
    pub shared: RedisConfig,
}
