//! Which instance gets a call.

use std::sync::Arc;

use super::group::{By, Call, Group};
use super::instance::Instance;
use super::spread::Spread;
use crate::Context;
use crate::balance::{Balancer, of_key};

/// How often a rule is asked again that chooses an instance that is down.
const ASKED_MAX: usize = 3;

/// Chooses instances for the calls to one service. Takes no lock and allocates nothing.
pub(super) struct Pick {
    balancer: Box<dyn Balancer>,
    /// How far above its share of the calls in flight an instance still gets calls by their keys.
    bound: f64,
    client: u64,
}

impl Pick {
    pub(super) fn new(spread: &Spread) -> Self {
        let Spread { balance, client, .. } = spread;
        Self { balancer: balance.make(), bound: balance.bound(), client: *client }
    }

    pub(super) fn balancer(&self) -> &dyn Balancer {
        &*self.balancer
    }

    /// The index of the instance that the call's key belongs to, else of the rule's choice; of one
    /// that is not known to be down, if there is any.
    pub(super) fn pick(&self, cx: &Context, group: &Group, call: Call) -> usize {
        if group.len() < 2 {
            return 0;
        }
        let by = By { peer: cx.peer(), client: self.client, call };
        if let Some(key) = cx.affinity() {
            let view = group.view(group.regular(), &by).without_warming();
            return self.or_any_up(group, of_key(key, self.bound, &view));
        }
        let mut tier = group.tier();
        for _ in 0..ASKED_MAX {
            let rule = tier.prepared.as_deref().unwrap_or(&*self.balancer);
            let picked = rule.pick(&group.view(tier, &by)) % tier.len.max(1);
            if group.at(picked).is_up() {
                return picked;
            }
            // Perhaps of more than one.
            tier = group.tier_after_look();
        }
        group.any_up(tier, None).unwrap_or(0)
    }

    /// What to try when a call could not be sent to `failed`: an instance that is not known to be
    /// down, else the next one; the same, if it is the only one, since its connection may have
    /// ended just before the call was put on it.
    pub(super) fn pick_after(
        &self,
        cx: &Context,
        group: &Group,
        call: Call,
        failed: &Arc<Instance>,
    ) -> usize {
        let picked = self.pick(cx, group, call);
        if !Arc::ptr_eq(group.at(picked), failed) {
            return picked;
        }
        let other = group.any_up(group.regular(), Some(picked));
        other.unwrap_or((picked + 1) % group.len())
    }

    fn or_any_up(&self, group: &Group, picked: usize) -> usize {
        if group.at(picked).is_up() {
            return picked;
        }
        group.any_up(group.regular(), None).unwrap_or(picked)
    }
}
