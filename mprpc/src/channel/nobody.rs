//! What becomes of calls while nobody is listed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::discovery::Listing;

/// Whether calls wait for somebody, or fail because nobody has been listed for a while.
///
/// The only instance of a service that is replaced leaves the list empty for a moment, which no call
/// should notice. A service that is really gone must not hold up its callers, so that the time is
/// counted from when the list became empty, and not from when a call came.
#[derive(Debug)]
pub(super) struct Nobody {
    wait: Duration,
    /// Since when it has been known that nobody is there.
    since: Mutex<Option<Instant>>,
}

impl Nobody {
    /// Calls fail when nobody has been listed for so long.
    pub(super) fn after(wait: Duration) -> Self {
        Self { wait, since: Mutex::default() }
    }

    /// This is listed now.
    pub(super) fn listed(&self, listing: &Listing) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match listing {
            Listing::Known(endpoints) if endpoints.is_empty() => {
                since.get_or_insert_with(Instant::now);
            }
            Listing::Known(_) | Listing::Unknown => *since = None,
        }
    }

    /// The first listing with somebody in it. Waits for the registry's first word until `deadline`;
    /// once it has said that nobody is there, only for as long as that may be a moment.
    pub(super) async fn somebody(
        &self,
        mut listing: watch::Receiver<Listing>,
        deadline: Instant,
    ) -> Option<Listing> {
        let known = listing.wait_for(|listing| *listing != Listing::Unknown);
        timeout_at(deadline, known).await.ok()?.ok()?;
        let known = {
            // While it is what is listed: told of an older listing after somebody else was told of
            // the newest, this would count from then for ever.
            let known = listing.borrow();
            self.listed(&known);
            known.clone()
        };
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = since else { return Some(known) };
        let anybody = |listing: &Listing| match listing {
            Listing::Known(endpoints) => !endpoints.is_empty(),
            Listing::Unknown => false,
        };
        let until = deadline.min(since + self.wait);
        timeout_at(until, listing.wait_for(anybody)).await.ok()?.ok().map(|listing| listing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Endpoint;

    const WAIT: Duration = Duration::from_secs(1);

    fn known(ports: &[u16]) -> Listing {
        Listing::Known(ports.iter().map(|port| Endpoint::new(([127, 0, 0, 1], *port))).collect())
    }

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_who_comes_within_a_moment() {
        let nobody = Nobody::after(WAIT);
        let (sender, listing) = watch::channel(known(&[]));
        let somebody = nobody.somebody(listing, later(60));
        let (somebody, ()) = tokio::join!(somebody, async {
            tokio::time::sleep(WAIT / 2).await;
            sender.send_replace(known(&[1]));
        });
        assert_eq!(somebody, Some(known(&[1])));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_gone_holds_nobody_up() {
        let nobody = Nobody::after(WAIT);
        let (sender, listing) = watch::channel(known(&[]));
        let begin = Instant::now();
        assert_eq!(nobody.somebody(listing.clone(), later(60)).await, None);
        assert_eq!(begin.elapsed(), WAIT);
        assert_eq!(nobody.somebody(listing.clone(), later(60)).await, None);
        assert_eq!(begin.elapsed(), WAIT, "the second call does not wait");
        nobody.listed(&known(&[1]));
        assert_eq!(nobody.somebody(listing, later(60)).await, None);
        assert_eq!(begin.elapsed(), WAIT * 2, "it was there in between");
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_word_of_a_registry_is_waited_for_until_the_deadline() {
        let nobody = Nobody::after(WAIT);
        let (sender, listing) = watch::channel(Listing::Unknown);
        let begin = Instant::now();
        assert_eq!(nobody.somebody(listing.clone(), later(5)).await, None);
        assert_eq!(begin.elapsed(), Duration::from_secs(5));
        sender.send_replace(known(&[1]));
        assert_eq!(nobody.somebody(listing, later(5)).await, Some(known(&[1])));
    }
}
