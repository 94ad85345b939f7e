//! Routes in this process's memory: the embedded adapter.
//!
//! Users are spread over shards, each under its own short lock. Nothing is ever removed by a timer
//! on its own: an expired route is one that no reader sees, [`MemoryRoutes::sweep`] frees its memory
//! from time to time. A gateway that is dropped is marked once, in the record that all of its routes
//! share, so that dropping costs the same however many users it had.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use im_common::Clock;

use super::{Bound, Excludes, Gateway, Key, Offer, Route, Routes, RoutesError, covers};

const SHARDS: usize = 64;

/// The bounds and lifetimes of [`MemoryRoutes`].
#[derive(Clone, Debug)]
pub(crate) struct MemoryLimits {
    /// How long a route lives without being renewed.
    pub(crate) ttl_ms: i64,
    /// The same for routes that a gateway of the original system bound: it never renews them.
    pub(crate) original_ttl_ms: i64,
    /// Routes of all users together.
    pub(crate) routes_max: usize,
    /// Devices of one user.
    pub(crate) devices_max: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct MemoryRoutes {
    clock: Clock,
    limits: MemoryLimits,
    shards: Vec<Mutex<HashMap<i64, Vec<Entry>>>>,
    /// Routes in all shards, expired ones included until they are swept.
    routes: AtomicUsize,
    boots: Mutex<HashMap<String, Arc<Boot>>>,
    hasher: std::hash::RandomState,
}

/// One boot of a gateway, shared by its routes.
#[derive(Debug)]
struct Boot {
    gateway: Arc<Gateway>,
    gone: AtomicBool,
    /// Heard of within a lifetime if this lies in the future.
    live_until_ms: AtomicI64,
    offer: Mutex<Option<Offer>>,
}

#[derive(Debug)]
struct Entry {
    device: String,
    session_id: String,
    since_ms: i64,
    boot: Arc<Boot>,
    expires_ms: i64,
}

impl Entry {
    fn is_live(&self, now_ms: i64) -> bool {
        self.expires_ms > now_ms && !self.boot.gone.load(Ordering::Acquire)
    }

    fn is_of(&self, boot_id: &str, session_id: &str) -> bool {
        self.session_id == session_id && self.boot.gateway.boot_id == boot_id
    }

    fn is_session_of(&self, route: &Route) -> bool {
        self.device == route.device && self.is_of(&route.gateway.boot_id, &route.session_id)
    }

    fn route(&self, user_id: i64) -> Route {
        Route {
            user_id,
            device: self.device.clone(),
            session_id: self.session_id.clone(),
            since_ms: self.since_ms,
            gateway: Arc::clone(&self.boot.gateway),
        }
    }
}

impl MemoryRoutes {
    pub(crate) fn new(limits: MemoryLimits, clock: Clock) -> Self {
        Self {
            clock,
            limits,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            routes: AtomicUsize::new(0),
            boots: Mutex::default(),
            hasher: std::hash::RandomState::new(),
        }
    }

    fn shard(&self, user_id: i64) -> MutexGuard<'_, HashMap<i64, Vec<Entry>>> {
        let hash = usize::try_from(self.hasher.hash_one(user_id) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[hash])
    }

    fn ttl_ms(&self, gateway: &Gateway) -> i64 {
        if gateway.is_original() { self.limits.original_ttl_ms } else { self.limits.ttl_ms }
    }

    /// The shared record of a gateway's boot, heard of now.
    fn boot(&self, gateway: &Arc<Gateway>, now_ms: i64) -> Arc<Boot> {
        let live_until_ms = now_ms + self.ttl_ms(gateway);
        let new = || {
            Arc::new(Boot {
                gateway: Arc::clone(gateway),
                gone: AtomicBool::new(false),
                live_until_ms: AtomicI64::new(live_until_ms),
                offer: Mutex::default(),
            })
        };
        if gateway.is_original() {
            // They all have the same, empty, boot id: nothing to share.
            return new();
        }
        let mut boots = lock(&self.boots);
        let boot = boots.entry(gateway.boot_id.clone()).or_insert_with(new);
        if boot.gone.load(Ordering::Acquire) || boot.gateway != *gateway {
            *boot = new();
        }
        boot.live_until_ms.store(live_until_ms, Ordering::Release);
        Arc::clone(boot)
    }
}

impl MemoryRoutes {
    /// The gateways that were heard of within a lifetime.
    fn live_boots(&self) -> Vec<Arc<Boot>> {
        let now_ms = self.clock.now_ms();
        let boots = lock(&self.boots);
        let live = boots.values().filter(|boot| {
            boot.live_until_ms.load(Ordering::Acquire) > now_ms
                && !boot.gone.load(Ordering::Acquire)
        });
        live.cloned().collect()
    }
}

/// A panic under one of these locks leaves nothing half done: each change is one insertion,
/// removal or assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Routes for MemoryRoutes {
    async fn bind(&self, route: Route, excludes: Excludes) -> Result<Bound, RoutesError> {
        let now_ms = self.clock.now_ms();
        let boot = self.boot(&route.gateway, now_ms);
        let expires_ms = now_ms + self.ttl_ms(&route.gateway);
        let mut users = self.shard(route.user_id);
        let bound = users.entry(route.user_id).or_default();
        let before = bound.len();
        bound.retain(|bound| bound.is_live(now_ms));
        self.routes.fetch_sub(before - bound.len(), Ordering::Relaxed);

        let latest_ms = bound.iter().map(|bound| bound.since_ms).max();
        let mine = |bound: &Entry| bound.is_session_of(&route);
        let ends = |bound: &Entry| mine(bound) || covers(excludes, &route.device, &bound.device);
        let since_ms = match route.since_ms {
            // A clock that went back must not make the newest session the oldest.
            0 => now_ms.max(latest_ms.map_or(i64::MIN, |latest_ms| latest_ms.saturating_add(1))),
            since_ms => {
                // If its own is later, that is of a bind whose answer it never got.
                let own = bound.iter().find(|bound| mine(bound)).map(|bound| bound.since_ms);
                let since_ms = since_ms.max(own.unwrap_or(since_ms));
                if bound.iter().any(|bound| ends(bound) && bound.since_ms > since_ms) {
                    return Ok(Bound::Fenced);
                }
                since_ms
            }
        };
        if !bound.iter().any(ends) {
            let full = if bound.len() >= self.limits.devices_max {
                Some("routes.devices_max")
            } else if self.routes.load(Ordering::Relaxed) >= self.limits.routes_max {
                Some("routes.routes_max")
            } else {
                None
            };
            if let Some(what) = full {
                if bound.is_empty() {
                    users.remove(&route.user_id);
                }
                return Err(RoutesError::Full { what });
            }
        }
        let ended: Vec<Entry> = bound.extract_if(.., |bound| ends(bound)).collect();
        self.routes.fetch_sub(ended.len(), Ordering::Relaxed);
        self.routes.fetch_add(1, Ordering::Relaxed);
        let others = ended.iter().filter(|ended| !mine(ended));
        let replaced = others.map(|ended| ended.route(route.user_id)).collect();
        // The one that began last is at the end.
        let at = bound.partition_point(|bound| bound.since_ms <= since_ms);
        let entry = Entry {
            device: route.device,
            session_id: route.session_id,
            since_ms,
            boot,
            expires_ms,
        };
        bound.insert(at, entry);
        Ok(Bound::Here { since_ms, replaced })
    }

    async fn renew(
        &self,
        gateway: &Arc<Gateway>,
        offer: Option<Offer>,
        mut keys: Vec<Key>,
    ) -> Result<Vec<Key>, RoutesError> {
        let now_ms = self.clock.now_ms();
        *lock(&self.boot(gateway, now_ms).offer) = offer;
        let boot_id = &gateway.boot_id;
        let expires_ms = now_ms + self.limits.ttl_ms;
        keys.retain(|key| {
            let mut users = self.shard(key.user_id);
            let bound = users.get_mut(&key.user_id).and_then(|bound| {
                bound.iter_mut().find(|bound| {
                    bound.device == key.device
                        && bound.is_of(boot_id, &key.session_id)
                        && bound.is_live(now_ms)
                })
            });
            if let Some(bound) = bound {
                bound.expires_ms = expires_ms;
                false
            } else {
                true
            }
        });
        Ok(keys)
    }

    async fn unbind(&self, boot_id: &str, key: &Key) -> Result<bool, RoutesError> {
        let now_ms = self.clock.now_ms();
        let mut users = self.shard(key.user_id);
        let Some(bound) = users.get_mut(&key.user_id) else {
            return Ok(false);
        };
        let index = bound
            .iter()
            .position(|bound| bound.device == key.device && bound.is_of(boot_id, &key.session_id));
        let Some(index) = index else { return Ok(false) };
        let was_live = bound.remove(index).is_live(now_ms);
        self.routes.fetch_sub(1, Ordering::Relaxed);
        if bound.is_empty() {
            users.remove(&key.user_id);
        }
        Ok(was_live)
    }

    async fn query(&self, user_id: i64) -> Result<Vec<Route>, RoutesError> {
        let now_ms = self.clock.now_ms();
        let users = self.shard(user_id);
        let bound = users.get(&user_id).map(Vec::as_slice).unwrap_or_default();
        let live = bound.iter().filter(|bound| bound.is_live(now_ms));
        Ok(live.map(|bound| bound.route(user_id)).collect())
    }

    async fn resolve(&self, users: &[i64]) -> Result<Vec<(i64, Arc<Gateway>)>, RoutesError> {
        let now_ms = self.clock.now_ms();
        let mut resolved: Vec<(i64, Arc<Gateway>)> = Vec::with_capacity(users.len());
        for &user_id in users {
            let first = resolved.len();
            let shard = self.shard(user_id);
            for bound in shard.get(&user_id).map(Vec::as_slice).unwrap_or_default() {
                let gateway = &bound.boot.gateway;
                let named = resolved[first..].iter().any(|(_, other)| other == gateway);
                if bound.is_live(now_ms) && !named {
                    resolved.push((user_id, Arc::clone(gateway)));
                }
            }
        }
        Ok(resolved)
    }

    async fn gateways(&self) -> Result<Vec<Arc<Gateway>>, RoutesError> {
        Ok(self.live_boots().into_iter().map(|boot| Arc::clone(&boot.gateway)).collect())
    }

    async fn offers(&self) -> Result<Vec<(Arc<Gateway>, Offer)>, RoutesError> {
        let boots = self.live_boots().into_iter();
        let offers = boots.filter_map(|boot| {
            let offer = lock(&boot.offer).clone()?;
            Some((Arc::clone(&boot.gateway), offer))
        });
        Ok(offers.collect())
    }

    async fn drop_gateway(&self, boot_id: &str) -> Result<(), RoutesError> {
        if let Some(boot) = lock(&self.boots).remove(boot_id) {
            boot.gone.store(true, Ordering::Release);
        }
        Ok(())
    }

    async fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        for shard in &self.shards {
            let mut users = lock(shard);
            users.retain(|_, bound| {
                let before = bound.len();
                bound.retain(|bound| bound.is_live(now_ms));
                self.routes.fetch_sub(before - bound.len(), Ordering::Relaxed);
                !bound.is_empty()
            });
        }
        lock(&self.boots).retain(|_, boot| boot.live_until_ms.load(Ordering::Acquire) > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    fn limits() -> MemoryLimits {
        MemoryLimits {
            ttl_ms: 10_000,
            original_ttl_ms: 120_000,
            routes_max: 50,
            devices_max: conformance::DEVICES_MAX,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn memory_routes_conform() {
        let fresh = async || {
            let clock = Clock::manual(1_700_000_000_000);
            let routes = Arc::new(MemoryRoutes::new(limits(), clock.clone()));
            let clock = Some(clock);
            (routes, conformance::Time { clock, ttl_ms: 10_000, original_ttl_ms: 120_000 })
        };
        conformance::suite(fresh).await;
    }

    #[tokio::test]
    async fn a_full_table_refuses_new_routes_and_keeps_those_it_has() {
        let routes = MemoryRoutes::new(limits(), Clock::manual(0));
        let gateway = conformance::gateway("g");
        for user in 0..50 {
            routes
                .bind(conformance::route(user, "text", "s", &gateway), Excludes::Device)
                .await
                .unwrap();
        }
        let refused =
            routes.bind(conformance::route(50, "text", "s", &gateway), Excludes::Device).await;
        assert!(matches!(refused, Err(RoutesError::Full { what: "routes.routes_max" })));
        assert_eq!(routes.query(50).await.unwrap(), []);
        routes
            .bind(conformance::route(49, "text", "s2", &gateway), Excludes::Device)
            .await
            .unwrap();
        assert_eq!(routes.query(0).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_sweep_makes_room_for_others() {
        let clock = Clock::manual(0);
        let routes = MemoryRoutes::new(limits(), clock.clone());
        let gateway = conformance::gateway("g");
        for user in 0..50 {
            routes
                .bind(conformance::route(user, "text", "s", &gateway), Excludes::Device)
                .await
                .unwrap();
        }
        clock.advance_ms(10_001);
        routes.sweep().await;
        assert_eq!(routes.routes.load(Ordering::Relaxed), 0);
        assert!(lock(&routes.boots).is_empty());
        routes.bind(conformance::route(50, "text", "s", &gateway), Excludes::Device).await.unwrap();
    }
}
