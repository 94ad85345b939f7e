//! Events to the gateways of their recipients, beside the numbered links.
//!
//! Nobody keeps an event, so none is worth a number: a hole would make a gateway compare heads. They
//! have a call of their own, one at a time for each gateway, and a bounded queue before it from which
//! the oldest are dropped. So whatever becomes of events, pushes do not notice.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use im_common::Tasks;
use metrics::{Counter, counter};
use mpim_proto::{EventDelivery, PushEventsReq, ResolveReq, UsersAtGateway, routing_service};
use mprpc::Context;

use crate::connections::Gateways;
use crate::routing::{Gateway, gateway};

/// Events in one call.
const BATCH_MAX: usize = 256;
/// Recipients of one dispatch, of all its events together.
const RECIPIENTS_MAX: usize = 25_600;

/// The bounds of what is on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventLimits {
    /// Events that may wait for one gateway.
    pub(crate) waiting_max: usize,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

/// Finds out where recipients are and hands events over.
#[derive(Debug)]
pub(crate) struct EventDispatcher<G> {
    routing: Arc<G>,
    outlets: Arc<Outlets>,
}

#[derive(Debug)]
struct Outlets {
    gateways: Gateways,
    limits: EventLimits,
    tasks: Tasks,
    /// What waits for each boot of a gateway for which a task is at work.
    waiting: Mutex<HashMap<String, VecDeque<EventDelivery>>>,
    metrics: EventMetrics,
}

/// Handles that are looked up once.
#[derive(Debug)]
struct EventMetrics {
    pushed: Counter,
    /// Nobody could tell where the recipients are, or they were too many.
    dropped_routes: Counter,
    /// The queue was full.
    dropped_queue: Counter,
    /// The gateway did not take them.
    dropped_gateway: Counter,
}

impl<G: routing_service::Server> EventDispatcher<G> {
    /// Its tasks end by themselves, each within the time of one call.
    pub(crate) fn new(
        routing: Arc<G>,
        gateways: Gateways,
        limits: EventLimits,
        tasks: Tasks,
    ) -> Self {
        let (waiting, metrics) = (Mutex::default(), EventMetrics::new());
        Self { routing, outlets: Arc::new(Outlets { gateways, limits, tasks, waiting, metrics }) }
    }

    /// Hands each event to the gateways at which its recipients are, as far as there is room, and
    /// waits for none of them.
    pub(crate) async fn dispatch(&self, cx: &Context, events: Vec<EventDelivery>) {
        let Outlets { metrics, .. } = &*self.outlets;
        let users: HashSet<i64> =
            events.iter().flat_map(|event| event.recipients.iter().copied()).collect();
        let few = users.len() <= RECIPIENTS_MAX;
        let request = ResolveReq { user_ids: users.into_iter().take(RECIPIENTS_MAX).collect() };
        let resolved = match self.routing.resolve(cx, request).await {
            // Where nobody can say where they are, an event is not worth telling every gateway.
            Ok(resolved) if few && resolved.anywhere.is_empty() => resolved.at,
            _ => return metrics.dropped_routes.increment(events.len() as u64),
        };
        let mut at: HashMap<i64, Vec<Arc<Gateway>>> = HashMap::new();
        for UsersAtGateway { gateway: boot, user_ids } in resolved {
            let Some(gateway) = gateway(boot) else { continue };
            for user_id in user_ids {
                at.entry(user_id).or_default().push(Arc::clone(&gateway));
            }
        }
        let mut by_gateway: HashMap<Arc<Gateway>, Vec<EventDelivery>> = HashMap::new();
        for EventDelivery { event, recipients } in events {
            let mut recipients_at: HashMap<&Arc<Gateway>, Vec<i64>> = HashMap::new();
            for user_id in recipients {
                for gateway in at.get(&user_id).into_iter().flatten() {
                    recipients_at.entry(gateway).or_default().push(user_id);
                }
            }
            for (gateway, recipients) in recipients_at {
                let event = EventDelivery { event: event.clone(), recipients };
                by_gateway.entry(Arc::clone(gateway)).or_default().push(event);
            }
        }
        for (gateway, events) in by_gateway {
            self.outlets.offer(gateway, events);
        }
    }
}

impl Outlets {
    fn offer(self: &Arc<Self>, gateway: Arc<Gateway>, events: Vec<EventDelivery>) {
        let mut all = self.waiting();
        let at_work = all.contains_key(&gateway.boot_id);
        let waiting = all.entry(gateway.boot_id.clone()).or_default();
        waiting.extend(events);
        let excess = waiting.len().saturating_sub(self.limits.waiting_max);
        // The newest say what is so now.
        waiting.drain(..excess);
        self.metrics.dropped_queue.increment(excess as u64);
        if !at_work {
            self.tasks.spawn("events", Arc::clone(self).push_all(gateway));
        }
    }

    /// Pushes until nothing waits. What waits behind a failure is dropped with it, so this lasts no
    /// longer than one call for a gateway that does not answer.
    async fn push_all(self: Arc<Self>, gateway: Arc<Gateway>) {
        let client = self.gateways.client(&gateway);
        while let Some(events) = self.next(&gateway.boot_id) {
            let count = events.len() as u64;
            let gateway_boot_id = gateway.boot_id.clone();
            let request = PushEventsReq { gateway_boot_id, events };
            let cx = Context::with_timeout(self.limits.timeout);
            let pushed = match &client {
                Some(client) => {
                    let answer = client.push_events(&cx, request).await;
                    answer.is_ok_and(|it| it.result.is_some_and(|result| result.is_ok()))
                }
                None => false,
            };
            if pushed {
                self.metrics.pushed.increment(count);
            } else {
                let behind = self.waiting().remove(&gateway.boot_id).map_or(0, |it| it.len());
                self.metrics.dropped_gateway.increment(count + behind as u64);
                return;
            }
        }
    }

    /// The next call's events. `None` if there are none; then the next to come start another task.
    fn next(&self, boot_id: &str) -> Option<Vec<EventDelivery>> {
        let mut all = self.waiting();
        let waiting = all.get_mut(boot_id)?;
        if waiting.is_empty() {
            all.remove(boot_id);
            return None;
        }
        let count = waiting.len().min(BATCH_MAX);
        Some(waiting.drain(..count).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, VecDeque<EventDelivery>>> {
        // A panic while it is held loses events at most.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventMetrics {
    fn new() -> Self {
        let dropped = |at: &'static str| counter!("mpim_presence_events_dropped_total", "at" => at);
        Self {
            pushed: counter!("mpim_presence_events_pushed_total"),
            dropped_routes: dropped("routes"),
            dropped_queue: dropped("queue"),
            dropped_gateway: dropped("gateway"),
        }
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
