//! For how long entries are kept.

use im_common::Rules;
use serde::{Deserialize, Serialize};

/// For how long entries are kept, for each kind of conversation. What has expired goes from the
/// front. 0 keeps all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RetentionConfig {
    /// Days for which entries of a pair are kept.
    pub pair_days: u32,
    /// Entries that a pair keeps.
    pub pair_entries_max: u32,
    /// Days for which entries of a group are kept.
    pub group_days: u32,
    /// Entries that a group keeps.
    pub group_entries_max: u32,
    /// Entries that are younger than this many seconds are kept however many they are: a sender who
    /// repeats one is recognised by it.
    pub young_s: u32,
    /// How often is looked for what has expired.
    pub interval_ms: u64,
    /// Entries that are removed at once, while nobody else writes to their conversation.
    pub batch_entries_max: usize,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            pair_days: 0,
            pair_entries_max: 0,
            group_days: 0,
            group_entries_max: 0,
            young_s: 3_600,
            interval_ms: 60_000,
            batch_entries_max: 200,
        }
    }
}

impl RetentionConfig {
    /// Whether there is anything to look for.
    pub(crate) fn expires_anything(&self) -> bool {
        let Self { pair_days, pair_entries_max, group_days, group_entries_max, .. } = self;
        [pair_days, pair_entries_max, group_days, group_entries_max].iter().any(|it| **it > 0)
    }

    pub(super) fn check(&self, rules: &mut Rules) {
        rules.within("retention.pair_days", self.pair_days, 0..=36_500);
        rules.within("retention.group_days", self.group_days, 0..=36_500);
        rules.within("retention.young_s", self.young_s, 0..=86_400);
        rules.within("retention.interval_ms", self.interval_ms, 10..=86_400_000);
        rules.within("retention.batch_entries_max", self.batch_entries_max, 1..=10_000);
    }
}
