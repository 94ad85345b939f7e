//! The instances among which one method's calls are spread.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;

use super::instance::{Instance, hash};
use crate::Address;
use crate::balance::{Balancer, Candidates, mix};

/// How many calls go to all zones before it is looked once more whether enough instances of the own
/// one are up again.
const CALLS_BETWEEN_LOOKS: usize = 64;

/// An instance, with what discovery says of it. The instance is shared with the lists before and
/// after this one, so that what is said can change while connections stay.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) instance: Arc<Instance>,
    /// As it is listed.
    pub(super) weight: f64,
    /// What part of its weight it gets: less than 1 for a newcomer.
    pub(super) warmth: f64,
    /// When it appeared; nothing once it is warm.
    pub(super) joined: Option<Instant>,
    pub(super) zone: Arc<str>,
    pub(super) tags: Arc<[String]>,
}

/// The instances that serve one method, in tiers: those of the own zone, those of others, and last
/// those without weight. A tier is made of the first so many, and so the tiers that a rule may see
/// are slices of one list.
#[derive(Debug, Default)]
pub(super) struct Group {
    candidates: Vec<Candidate>,
    /// Those of the own zone; none if it does not matter.
    own: Tier,
    /// Those that have weight; all, if nobody has.
    regular: Tier,
    /// How many of the own zone must be up.
    enough: usize,
    /// Whether too few of them were when it was last looked. A hint that stands alone: whoever
    /// reads an old one calls another zone needlessly, or meets one more instance that is down.
    short: AtomicBool,
    /// The calls that went to all zones, for it is looked again every so many.
    abroad: AtomicUsize,
}

/// The first so many of a group's instances.
#[derive(Default)]
pub(super) struct Tier {
    pub(super) len: usize,
    weight_max: f64,
    /// The rule, where it was prepared for this list.
    pub(super) prepared: Option<Box<dyn Balancer>>,
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tier").field(&self.len).finish()
    }
}

impl Group {
    /// Of candidates that are sorted by tier: `own` of the own zone, `regular` with weight.
    pub(super) fn new(
        candidates: Vec<Candidate>,
        own: usize,
        regular: usize,
        enough: usize,
        balancer: &dyn Balancer,
    ) -> Self {
        let regular = if regular == 0 { candidates.len() } else { regular };
        let tier = |len: usize| {
            let candidates = &candidates[..len];
            let weights = candidates.iter().map(Candidate::share);
            let mut tier = Tier { len, weight_max: weights.fold(0.0, f64::max), prepared: None };
            if len > 0 {
                let call = Call { method: 0, streams: false, now: Instant::now() };
                let by = By { peer: None, client: 0, call };
                tier.prepared = balancer.prepare(&View {
                    candidates,
                    weight_max: tier.weight_max,
                    by: &by,
                    as_listed: false,
                });
            }
            tier
        };
        let (own, regular) = (tier(own), tier(regular));
        let (short, abroad) = Default::default();
        Self { own, regular, enough, short, abroad, candidates }
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    pub(super) fn at(&self, index: usize) -> &Arc<Instance> {
        &self.candidates[index].instance
    }

    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Those among which the next call is to be spread.
    pub(super) fn tier(&self) -> &Tier {
        if self.own.len == 0 {
            return &self.regular;
        }
        if self.short.load(Ordering::Relaxed) {
            let calls = self.abroad.fetch_add(1, Ordering::Relaxed);
            if !calls.is_multiple_of(CALLS_BETWEEN_LOOKS) || self.look() {
                return &self.regular;
            }
        }
        &self.own
    }

    /// Those with weight, wherever they are.
    pub(super) fn regular(&self) -> &Tier {
        &self.regular
    }

    /// The same, after one that is down was met.
    pub(super) fn tier_after_look(&self) -> &Tier {
        if self.own.len == 0 || self.look() { &self.regular } else { &self.own }
    }

    /// Looks whether too few of the own zone are up.
    fn look(&self) -> bool {
        let own = &self.candidates[..self.own.len];
        let up = own.iter().filter(|candidate| !candidate.instance.is_down()).count();
        let short = up < self.enough;
        self.short.store(short, Ordering::Relaxed);
        short
    }

    /// What a rule sees of a tier.
    pub(super) fn view<'a>(&'a self, tier: &Tier, by: &'a By<'a>) -> View<'a> {
        let candidates = &self.candidates[..tier.len];
        View { candidates, weight_max: tier.weight_max, by, as_listed: false }
    }

    /// One that is not known to be down, other than that at `not`: of `tier`, or else any.
    pub(super) fn any_up(&self, tier: &Tier, not: Option<usize>) -> Option<usize> {
        let start = fastrand::usize(..tier.len.max(1));
        let of_tier = (0..tier.len).map(|step| (start + step) % tier.len);
        let mut all = of_tier.chain(tier.len..self.len());
        all.find(|index| Some(*index) != not && !self.at(*index).is_down())
    }
}

impl Candidate {
    fn share(&self) -> f64 {
        self.weight * self.warmth
    }
}

/// A call for which an instance is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Its method's index.
    pub(super) method: usize,
    /// Whether it streams.
    pub(super) streams: bool,
    /// When it began.
    pub(super) now: Instant,
}

/// Who calls what.
#[derive(Debug)]
pub(super) struct By<'a> {
    /// The client of the handler that makes the call.
    pub(super) peer: Option<&'a Address>,
    /// This client.
    pub(super) client: u64,
    pub(super) call: Call,
}

/// A tier as a rule sees it.
pub(super) struct View<'a> {
    candidates: &'a [Candidate],
    weight_max: f64,
    by: &'a By<'a>,
    /// Whether newcomers weigh as much as they are listed with.
    as_listed: bool,
}

impl View<'_> {
    /// The same for calls with a key: clients must agree on where one belongs, whenever each of
    /// them heard of a newcomer.
    pub(super) fn without_warming(self) -> Self {
        Self { as_listed: true, ..self }
    }
}

impl Candidates for View<'_> {
    fn len(&self) -> usize {
        self.candidates.len()
    }

    fn in_flight(&self, index: usize) -> usize {
        let load = self.candidates[index].instance.load();
        if self.by.call.streams { load.in_flight() + load.streams() } else { load.in_flight() }
    }

    fn weight(&self, index: usize) -> f64 {
        let candidate = &self.candidates[index];
        if self.as_listed { candidate.weight } else { candidate.share() }
    }

    fn weight_max(&self) -> f64 {
        self.weight_max
    }

    fn latency_ns(&self, index: usize) -> Option<f64> {
        self.candidates[index].instance.load().latency_ns(self.by.call.now)
    }

    fn latency_unfaded_ns(&self, index: usize) -> Option<f64> {
        self.candidates[index].instance.load().latency_unfaded_ns()
    }

    fn is_up(&self, index: usize) -> bool {
        self.candidates[index].instance.is_up()
    }

    fn zone(&self, index: usize) -> &str {
        &self.candidates[index].zone
    }

    fn tags(&self, index: usize) -> &[String] {
        &self.candidates[index].tags
    }

    fn method(&self) -> usize {
        self.by.call.method
    }

    fn hash(&self, index: usize) -> u64 {
        self.candidates[index].instance.hash()
    }

    fn caller(&self) -> u64 {
        match self.by.peer {
            Some(Address::Tcp(address)) => match address.ip() {
                IpAddr::V4(ip) => mix(u64::from(ip.to_bits())),
                IpAddr::V6(ip) => {
                    ip.segments().iter().fold(0, |hash, segment| mix(hash ^ u64::from(*segment)))
                }
            },
            Some(Address::Local(name)) => hash(name),
            // The callers behind a Unix socket cannot be told apart.
            Some(Address::Unix(_)) | None => self.by.client,
        }
    }
}
