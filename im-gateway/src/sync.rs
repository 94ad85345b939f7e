//! When a session compares heads: after a log-in, after pushes were missed, and for `PULL`.
//!
//! A comparison goes through the conversations in which the device lacks something, page by page.
//! One that is wanted while another is under way begins after it, since the pages that have passed
//! may have changed.

use tokio::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    wanted_at: Option<Instant>,
    /// The last conversation of the last page of the comparison under way.
    under_way: Option<String>,
    /// The next page was asked for and has not come.
    asking: bool,
    begun: u64,
    completed: u64,
}

impl Sync {
    /// Wants a comparison that begins at `at`, or sooner if one is wanted sooner.
    pub(crate) fn want(&mut self, at: Instant) {
        self.wanted_at = Some(self.wanted_at.map_or(at, |wanted| wanted.min(at)));
    }

    /// Wants one now, and answers with its number, for [`has_completed`](Self::has_completed).
    pub(crate) fn want_now(&mut self, now: Instant) -> u64 {
        self.want(now);
        self.begun + 1
    }

    /// Whether that comparison, or a later one, has come to its end.
    pub(crate) fn has_completed(&self, number: u64) -> bool {
        self.completed >= number
    }

    /// The page to ask for now, by the conversation that it begins after. It is answered with
    /// [`page`](Self::page) or [`failed`](Self::failed).
    pub(crate) fn next_page(&mut self, now: Instant) -> Option<String> {
        if self.asking {
            return None;
        }
        let after = match &self.under_way {
            Some(after) => after.clone(),
            None => {
                self.wanted_at.take_if(|wanted| *wanted <= now)?;
                self.begun += 1;
                self.under_way = Some(String::new());
                String::new()
            }
        };
        self.asking = true;
        Some(after)
    }

    /// A page has come, and after it more if `more`; `last` is its last conversation.
    pub(crate) fn page(&mut self, last: Option<String>, more: bool) {
        self.asking = false;
        match last {
            Some(last) if more => self.under_way = Some(last),
            _ => {
                self.under_way = None;
                self.completed = self.begun;
            }
        }
    }

    /// The page did not come; it will be asked for again.
    pub(crate) fn failed(&mut self) {
        self.asking = false;
    }

    /// When there is something to ask for; `None` while nothing is wanted or a page is on its way.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        if self.asking {
            None
        } else if self.under_way.is_some() {
            Some(now)
        } else {
            self.wanted_at
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (mut sync, now) = (Sync::default(), Instant::now());
        assert_eq!(sync.next_page(now), None);
        let number = sync.want_now(now);
        assert_eq!(sync.next_page(now), Some(String::new()));
        assert_eq!(sync.next_page(now), None, "one page at a time");
        sync.page(Some("c".to_owned()), true);
        assert_eq!(sync.next_page(now), Some("c".to_owned()));
        sync.failed();
        assert_eq!(sync.next_page(now), Some("c".to_owned()));
        assert!(!sync.has_completed(number));
        sync.page(None, false);
        assert!(sync.has_completed(number));
        assert_eq!(sync.next_page(now), None);
    }

    #[test]
    fn one_that_is_wanted_while_another_is_under_way_begins_after_it() {
        let (mut sync, now) = (Sync::default(), Instant::now());
        sync.want_now(now);
        sync.next_page(now);
        let second = sync.want_now(now);
        sync.page(None, false);
        assert!(!sync.has_completed(second));
        assert_eq!(sync.next_page(now), Some(String::new()));
        sync.page(None, false);
        assert!(sync.has_completed(second));
    }

    #[test]
    fn it_begins_when_it_is_wanted_soonest() {
        let (mut sync, now) = (Sync::default(), Instant::now());
        sync.want(now + Duration::from_secs(9));
        sync.want(now + Duration::from_secs(1));
        sync.want(now + Duration::from_secs(5));
        assert_eq!(sync.due_at(now), Some(now + Duration::from_secs(1)));
        assert_eq!(sync.next_page(now), None);
        assert!(sync.next_page(now + Duration::from_secs(1)).is_some());
        assert_eq!(sync.next_page(now + Duration::from_secs(9)), None, "once is enough");
    }
}
