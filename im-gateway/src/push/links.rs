//! How far the links from the instances of im-presence are. Pure.
//!
//! Each instance numbers what it pushes to this gateway, and repeats its last number every second
//! while it has nothing to push. So whatever is lost shows: as a hole, as a number that never came,
//! or as silence, when an instance was killed with pushes in its queue.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Why every session has to compare heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Numbers of a link never came.
    Hole,
    /// An instance that this gateway has not met: perhaps the successor of one that had pushes
    /// for it.
    NewLink,
    /// A link that was alive went silent without saying goodbye.
    Silence,
}

impl Missed {
    /// For logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::NewLink => "new_link",
            Self::Silence => "silence",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Links {
    by_boot: HashMap<String, Link>,
    max: usize,
    /// A link that was not heard of for this long is silent.
    silence: Duration,
    /// An instance was met before, though perhaps it has said goodbye.
    met_any: bool,
}

#[derive(Debug)]
struct Link {
    /// The highest number that came, or is known to be missing.
    seen: u64,
    last_met: Instant,
    /// It is expected to be heard of: it has pushed, and was neither silent since nor closed.
    alive: bool,
}

impl Links {
    /// Remembers at most `max` instances; of one more, the one met longest ago is forgotten.
    pub(crate) fn new(max: usize, silence: Duration) -> Self {
        Self { by_boot: HashMap::new(), max: max.max(1), silence, met_any: false }
    }

    /// A push has come. Answers what others before it have not.
    pub(crate) fn pushed(&mut self, boot_id: &str, number: u64, now: Instant) -> Option<Missed> {
        // One that is late was counted as missing when the next one came.
        self.hear(boot_id, number.saturating_sub(1), number, now)
    }

    /// A link has repeated its last number.
    pub(crate) fn repeated(&mut self, boot_id: &str, last: u64, now: Instant) -> Option<Missed> {
        self.hear(boot_id, last, last, now)
    }

    /// A renewal says that this instance has pushed up to `last`. It is no sign of life of the link.
    pub(crate) fn renewed(&mut self, boot_id: &str, last: u64, now: Instant) -> Option<Missed> {
        self.meet(boot_id, last, last, now).1
    }

    /// An instance ends in order, having pushed up to `last`.
    pub(crate) fn closed(&mut self, boot_id: &str, last: u64, now: Instant) -> Option<Missed> {
        let missed = self.meet(boot_id, last, last, now).1;
        self.by_boot.remove(boot_id);
        missed
    }

    /// Time has passed. Answers whether a link has gone silent; that is said once of each silence.
    pub(crate) fn passed(&mut self, now: Instant) -> Option<Missed> {
        let silence = self.silence;
        let mut silent = self
            .by_boot
            .values_mut()
            .filter(|link| link.alive && now.saturating_duration_since(link.last_met) >= silence)
            .peekable();
        let missed = silent.peek().map(|_| Missed::Silence);
        silent.for_each(|link| link.alive = false);
        missed
    }

    /// So many instances are heard of.
    pub(crate) fn alive(&self) -> usize {
        self.by_boot.values().filter(|link| link.alive).count()
    }

    fn hear(&mut self, boot_id: &str, before: u64, number: u64, now: Instant) -> Option<Missed> {
        let (link, missed) = self.meet(boot_id, before, number, now);
        link.last_met = now;
        link.alive = true;
        missed
    }

    /// All numbers up to `before` should have come before this, and up to `number` have now.
    fn meet(
        &mut self,
        boot_id: &str,
        before: u64,
        number: u64,
        now: Instant,
    ) -> (&mut Link, Option<Missed>) {
        let known = self.by_boot.contains_key(boot_id);
        if !known && self.by_boot.len() >= self.max {
            let oldest = self.by_boot.iter().min_by_key(|(_, link)| link.last_met);
            if let Some(oldest) = oldest.map(|(boot_id, _)| boot_id.clone()) {
                self.by_boot.remove(&oldest);
            }
        }
        let new = || Link { seen: 0, last_met: now, alive: false };
        let link = self.by_boot.entry(boot_id.to_owned()).or_insert_with(new);
        let hole = before > link.seen;
        link.seen = link.seen.max(number);
        // Only of the first instance ever met is it certain that nobody was there before it.
        let met_before = std::mem::replace(&mut self.met_any, true);
        let missed = if hole {
            Some(Missed::Hole)
        } else if !known && met_before {
            Some(Missed::NewLink)
        } else {
            None
        };
        (link, missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(3);

    fn links() -> Links {
        Links::new(10, SILENCE)
    }

    #[test]
    fn pushes_that_follow_each_other_have_no_hole() {
        let (mut links, now) = (links(), Instant::now());
        assert_eq!(links.pushed("p", 1, now), None);
        assert_eq!(links.pushed("p", 2, now), None);
        assert_eq!(links.pushed("p", 4, now), Some(Missed::Hole), "3 is missing");
        assert_eq!(links.pushed("p", 3, now), None, "3 is late, and was noticed");
        assert_eq!(links.pushed("p", 5, now), None);
    }

    #[test]
    fn links_of_several_instances_have_nothing_to_do_with_each_other() {
        let (mut links, now) = (links(), Instant::now());
        assert_eq!(links.pushed("p", 1, now), None);
        assert_eq!(links.pushed("q", 1, now), Some(Missed::NewLink), "once");
        for number in 2..100 {
            assert_eq!(links.pushed("p", number, now), None);
            assert_eq!(links.pushed("q", number, now), None);
            assert_eq!(links.renewed("p", number, now), None);
            assert_eq!(links.renewed("q", number, now), None);
        }
    }

    #[test]
    fn a_link_that_does_not_begin_at_its_beginning_has_a_hole() {
        assert_eq!(links().pushed("p", 2, Instant::now()), Some(Missed::Hole));
        assert_eq!(links().repeated("p", 1, Instant::now()), Some(Missed::Hole));
        assert_eq!(links().renewed("p", 1, Instant::now()), Some(Missed::Hole));
        assert_eq!(links().repeated("p", 0, Instant::now()), None);
    }

    #[test]
    fn a_number_that_is_repeated_or_renewed_tells_of_pushes_that_never_came() {
        let (mut links, now) = (links(), Instant::now());
        links.pushed("p", 1, now);
        assert_eq!(links.repeated("p", 1, now), None);
        assert_eq!(links.repeated("p", 2, now), Some(Missed::Hole));
        assert_eq!(links.repeated("p", 2, now), None, "once is enough");
        assert_eq!(links.renewed("p", 3, now), Some(Missed::Hole));
        assert_eq!(links.pushed("p", 4, now), None);
    }

    #[test]
    fn a_link_that_falls_silent_is_said_to_once() {
        let (mut links, start) = (links(), Instant::now());
        links.repeated("p", 0, start);
        links.repeated("q", 0, start);
        links.repeated("q", 0, start + Duration::from_secs(2));
        assert_eq!(links.passed(start + Duration::from_secs(2)), None);
        assert_eq!(links.passed(start + SILENCE), Some(Missed::Silence));
        assert_eq!(links.alive(), 1);
        assert_eq!(links.passed(start + SILENCE), None);
        // A renewal is answered by a process, which says nothing of its link.
        links.renewed("q", 0, start + SILENCE);
        assert_eq!(links.passed(start + SILENCE * 2), Some(Missed::Silence));
        assert_eq!(links.repeated("p", 0, start + SILENCE * 2), None, "it was only frozen");
        assert_eq!(links.passed(start + SILENCE * 3), Some(Missed::Silence), "and again");
    }

    #[test]
    fn a_link_that_never_pushed_is_not_silent() {
        let (mut links, start) = (links(), Instant::now());
        links.renewed("p", 0, start);
        assert_eq!(links.passed(start + SILENCE * 2), None);
    }

    #[test]
    fn an_orderly_end_costs_nothing_unless_something_was_lost() {
        let (mut links, start) = (links(), Instant::now());
        links.pushed("p", 1, start);
        assert_eq!(links.closed("p", 1, start), None);
        assert_eq!(links.passed(start + SILENCE * 2), None);
        assert_eq!(links.pushed("q", 1, start), Some(Missed::NewLink));
        assert_eq!(links.closed("q", 2, start), Some(Missed::Hole));
    }

    #[test]
    fn the_instance_met_longest_ago_is_forgotten_first() {
        let (mut links, start) = (Links::new(2, SILENCE), Instant::now());
        for (at, boot_id) in ["p", "q", "r"].into_iter().enumerate() {
            links.pushed(boot_id, 1, start + Duration::from_millis(at as u64));
        }
        assert_eq!(links.by_boot.len(), 2);
        assert_eq!(links.pushed("q", 2, start), None);
        assert_eq!(links.pushed("p", 2, start), Some(Missed::Hole));
    }
}
