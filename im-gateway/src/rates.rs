//! How often somebody may ask: allowances for any number of users or addresses, in a table of fixed
//! size.
//!
//! A place in the table is a hash under a key made at start, so memory is bounded without evicting
//! anything, and nobody can choose an address that shares a place with a victim.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::rate::Allowance;

/// Places in a table: 512 KiB. With fewer busy ones than this, others hardly ever share.
const PLACES: usize = 1 << 16;

/// Allowances, by whatever tells them apart.
#[derive(Debug)]
pub(crate) struct Rates {
    /// For each place the moment at which its allowance is whole again, in ns since `began`.
    whole_at_ns: Box<[AtomicU64]>,
    hash_keys: RandomState,
    began: Instant,
}

impl Rates {
    /// Nobody has asked for anything yet.
    pub(crate) fn new() -> Self {
        Self {
            whole_at_ns: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hash_keys: RandomState::new(),
            began: Instant::now(),
        }
    }

    /// Takes so many from what `key` is allowed.
    ///
    /// # Errors
    /// There are not so many left; after this time there are.
    pub(crate) fn take(
        &self,
        key: impl Hash,
        allowance: Allowance,
        times: usize,
    ) -> Result<(), Duration> {
        let now_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let hash = self.hash_keys.hash_one(key);
        let place = usize::try_from(hash & (PLACES as u64 - 1)).unwrap_or_default();
        let place = &self.whole_at_ns[place];
        let mut wait_ns = 0;
        let charged = |whole_at_ns: u64| {
            let taken = allowance.take(times, whole_at_ns, now_ns);
            taken.inspect_err(|too_soon_by_ns| wait_ns = *too_soon_by_ns).ok()
        };
        let taken = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged);
        taken.map(drop).map_err(|_| Duration::from_nanos(wait_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_second_s_worth_may_come_at_once_and_then_one_by_one() {
        let (rates, ten) = (Rates::new(), Allowance::per_second(10));
        assert_eq!((0..100).filter(|_| rates.take(7, ten, 1).is_ok()).count(), 10);
        let wait = rates.take(7, ten, 1).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        tokio::time::advance(wait - Duration::from_millis(1)).await;
        assert!(rates.take(7, ten, 1).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((rates.take(7, ten, 1), rates.take(7, ten, 1).is_err()), (Ok(()), true));
    }

    #[tokio::test(start_paused = true)]
    async fn one_does_not_use_up_what_another_has() {
        let (rates, one) = (Rates::new(), Allowance::per_second(1));
        assert!(rates.take("10.0.0.1", one, 1).is_ok() && rates.take("10.0.0.1", one, 1).is_err());
        // Each shares a place with the first by a chance of 1 in 65,536.
        let others = (0..100).filter(|other| rates.take(format!("10.0.1.{other}"), one, 1).is_ok());
        assert!(others.count() >= 98);
    }
}
