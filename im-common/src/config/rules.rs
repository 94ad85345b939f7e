//! Bounds of values, and the one text for what breaks them.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// Collects the broken rules of a [`Validate`](super::Validate).
///
/// ```
/// # use im_common::Rules;
/// let mut rules = Rules::new();
/// rules.within("limits.members_max", 0, 1..=100_000);
/// assert_eq!(rules.finish().unwrap_err(), ["limits.members_max: must be 1..=100000, is 0"]);
/// ```
#[derive(Debug, Default)]
pub struct Rules {
    broken: Vec<String>,
}

impl Rules {
    /// No rule is broken so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key` is one of `bounds`.
    pub fn within<N: PartialOrd + Display>(
        &mut self,
        key: &str,
        value: N,
        bounds: RangeInclusive<N>,
    ) {
        if !bounds.contains(&value) {
            let (min, max) = bounds.into_inner();
            self.broken.push(format!("{key}: must be {min}..={max}, is {value}"));
        }
    }

    /// The value of `key` breaks a rule of its own: `what` says what would be right, never the value.
    pub fn broken(&mut self, key: &str, what: &str) {
        self.broken.push(format!("{key}: {what}"));
    }

    /// What [`Validate::validate`](super::Validate::validate) answers.
    ///
    /// # Errors
    /// Every rule that was broken.
    pub fn finish(self) -> Result<(), Vec<String>> {
        if self.broken.is_empty() { Ok(()) } else { Err(self.broken) }
    }
}
