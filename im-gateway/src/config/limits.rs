//! Section `[limits]`.

use im_common::Rules;
use serde::{Deserialize, Serialize};

/// What one address and one user may do, whatever protocol they speak. Addresses of this machine are
/// exempt.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LimitsConfig {
    /// Connections of one address to one listener; one more is refused as if the server were full.
    pub address_connections_max: usize,
    /// New connections of one address a second; more are refused likewise.
    pub address_connections_per_s: u32,
    /// Questions of one kind that one user may ask a second; more are answered `slow down`.
    pub user_reads_per_s: u32,
    /// Changes of one kind that one user may make a second; more are answered `slow down`.
    pub user_changes_per_s: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            address_connections_max: 250,
            address_connections_per_s: 100,
            user_reads_per_s: 2_000,
            user_changes_per_s: 1_000,
        }
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        let connections_max = self.address_connections_max;
        rules.within("limits.address_connections_max", connections_max, 1..=10_000_000);
        let per_s = 1..=10_000_000;
        let connections = self.address_connections_per_s;
        rules.within("limits.address_connections_per_s", connections, per_s.clone());
        rules.within("limits.user_reads_per_s", self.user_reads_per_s, per_s.clone());
        rules.within("limits.user_changes_per_s", self.user_changes_per_s, per_s);
    }
}
