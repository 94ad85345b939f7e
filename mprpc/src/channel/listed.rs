//! The instances of a listing, and which of them serve what.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Shared as ChannelShared;
use super::group::{Candidate, Group};
use super::instance::hash;
use super::spread::Spread;
use crate::ServiceDescriptor;
use crate::balance::{Balancer, subset};
use crate::discovery::{Endpoint, Listing, Methods};

/// What part of its weight a newcomer gets at first: enough to become warm.
const WARMTH_MIN: f64 = 0.1;

/// The steps in which it gets more, and the shortest time between two.
const WARMING_STEPS: u32 = 20;
const WARMING_STEP_MIN: Duration = Duration::from_millis(10);

/// The instances of one service. Which of them serve a method, which are in the own zone and in the
/// client's subset, and what each one weighs is found when they are listed, so that a call only has
/// to look.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The endpoints that it was made of.
    endpoints: Arc<[Endpoint]>,
    all: Group,
    /// By a method's index; nothing where every instance serves every method.
    by_method: Option<Box<[Group]>>,
    /// When newcomers are to get more.
    next_step: Option<Instant>,
}

impl Listed {
    /// The instances of `listing`, of which those that stand in `before` are no newcomers.
    pub(super) fn new(
        channel: &ChannelShared,
        service: &'static ServiceDescriptor,
        balancer: &dyn Balancer,
        listing: &Listing,
        before: &Self,
    ) -> Self {
        let Listing::Known(endpoints) = listing else {
            return Self::default();
        };
        let mut making = Making::new(channel, balancer, before);
        let all = making.group(endpoints.iter().collect());
        let whole = endpoints.iter().all(|endpoint| endpoint.methods == Methods::All);
        let by_method = (!whole).then(|| {
            let serving = |method: &&str| {
                let serve = |endpoint: &&Endpoint| endpoint.methods.contain(method);
                making.group(endpoints.iter().filter(serve).collect())
            };
            service.methods.iter().map(serving).collect()
        });
        let next_step = making.next_step;
        Self { endpoints: Arc::clone(endpoints), all, by_method, next_step }
    }

    /// Whether there are none at all, whatever they serve.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether it was made of this very listing.
    pub(super) fn is_of(&self, listing: &Listing) -> bool {
        matches!(listing, Listing::Known(endpoints) if Arc::ptr_eq(endpoints, &self.endpoints))
    }

    /// When it should be made anew although the listing is the same.
    pub(super) fn next_step(&self) -> Option<Instant> {
        self.next_step
    }

    /// The instances that serve the method with index `method`.
    pub(super) fn serving(&self, method: usize) -> &Group {
        match &self.by_method {
            None => &self.all,
            Some(by_method) => by_method.get(method).unwrap_or(&self.all),
        }
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        std::iter::once(&self.all).chain(self.by_method.iter().flatten())
    }
}

/// What the groups of one list are made with.
struct Making<'a> {
    channel: &'a ChannelShared,
    balancer: &'a dyn Balancer,
    now: Instant,
    /// When the instances of the list before appeared, by their addresses in memory: nothing for
    /// those that are warm. Nothing at all if there is no slow start or nobody was there.
    before: Option<HashMap<usize, Option<Instant>>>,
    next_step: Option<Instant>,
}

impl<'a> Making<'a> {
    fn new(channel: &'a ChannelShared, balancer: &'a dyn Balancer, before: &Listed) -> Self {
        let slow = !channel.spread.slow_start.is_zero() && !before.is_empty();
        let before = slow.then(|| {
            let candidates = before.groups().flat_map(Group::candidates);
            let joined =
                |candidate: &Candidate| (Arc::as_ptr(&candidate.instance).addr(), candidate.joined);
            candidates.map(joined).collect()
        });
        Self { channel, balancer, now: Instant::now(), before, next_step: None }
    }

    fn group(&mut self, endpoints: Vec<&Endpoint>) -> Group {
        let tiers = Tiers::new(endpoints, &self.channel.spread);
        let (own, regular) = (tiers.own.len(), tiers.own.len() + tiers.others.len());
        let sorted = [tiers.own, tiers.others, tiers.idle].into_iter().flatten();
        let candidates = sorted.map(|endpoint| self.candidate(endpoint)).collect();
        Group::new(candidates, own, regular, tiers.enough, self.balancer)
    }

    fn candidate(&mut self, endpoint: &Endpoint) -> Candidate {
        let instance = self.channel.instance(endpoint);
        let time = self.channel.spread.slow_start;
        let joined = match &self.before {
            None => None,
            Some(before) => before
                .get(&Arc::as_ptr(&instance).addr())
                .copied()
                .unwrap_or(Some(self.now))
                .filter(|joined| self.now - *joined < time),
        };
        let warmth = joined.map_or(1.0, |joined| {
            let step = (time / WARMING_STEPS).max(WARMING_STEP_MIN);
            self.next_step = Some(self.now + step);
            (self.now - joined).div_duration_f64(time).max(WARMTH_MIN)
        });
        Candidate {
            instance,
            weight: endpoint.weight.into(),
            warmth,
            joined,
            zone: Arc::clone(&endpoint.zone),
            tags: Arc::clone(&endpoint.tags),
        }
    }
}

/// The instances that may be called, by how gladly they are.
struct Tiers<'a> {
    /// In the own zone.
    own: Vec<&'a Endpoint>,
    /// In others.
    others: Vec<&'a Endpoint>,
    /// Those without weight.
    idle: Vec<&'a Endpoint>,
    /// How many of the own zone must be up for the others not to be called.
    enough: usize,
}

impl<'a> Tiers<'a> {
    fn new(endpoints: Vec<&'a Endpoint>, spread: &Spread) -> Self {
        let (regular, mut idle): (Vec<_>, Vec<_>) =
            endpoints.into_iter().partition(|endpoint| endpoint.weight > 0);
        let zones: HashSet<&str> = regular.iter().map(|endpoint| &*endpoint.zone).collect();
        // Half of what a zone has on average, so that the few that a zone has left, or that it has
        // at all, are not flooded by the clients of the whole zone.
        let enough = regular.len().div_ceil(2 * zones.len().max(1));
        let at_home =
            |endpoint: &&Endpoint| !spread.zone.is_empty() && endpoint.zone == spread.zone;
        let (mut own, mut others): (Vec<_>, Vec<_>) = regular.into_iter().partition(at_home);
        let in_all = own.len();
        if let Some(size) = spread.subset {
            for tier in [&mut own, &mut others, &mut idle] {
                subset(spread.client, size, tier, |endpoint| hash(&endpoint.id));
            }
        }
        // Of a subset, the same part.
        let enough = match own.len() {
            kept if kept < in_all => (enough * kept).div_ceil(in_all),
            _ => enough,
        };
        // If even with all of them up there are not enough, there is nothing to look for.
        if own.len() < enough {
            others.append(&mut own);
        }
        Self { own, others, idle, enough }
    }
}
