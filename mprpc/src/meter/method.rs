//! The calls of one method at one end, counted.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::TIMED_PER_S;
use crate::ServiceDescriptor;
use crate::status::Code;

/// How many threads count without getting into each other's way; more share.
const SHARDS: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct MethodMeter {
    service: &'static ServiceDescriptor,
    /// Its index in the service.
    index: usize,
    shards: [Shard; SHARDS],
    /// By code; failures are rare enough to share.
    failed: [AtomicU64; Code::ALL.len()],
    /// A call is timed if no bit of its number on its thread is in here.
    untimed: AtomicU64,
    /// How many were timed since that was last set.
    timed: AtomicU64,
    /// The histograms, made when the first time is known: they belong to the recorder that is
    /// installed then.
    histograms: OnceLock<Box<[metrics::Histogram]>>,
}

/// On a cache line of its own, and on the one that is fetched along with it.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Shard {
    begun: AtomicU64,
    succeeded: AtomicU64,
}

impl MethodMeter {
    pub(crate) fn new(service: &'static ServiceDescriptor, index: usize) -> Self {
        Self {
            service,
            index,
            shards: Default::default(),
            failed: Default::default(),
            untimed: AtomicU64::new(0),
            timed: AtomicU64::new(0),
            histograms: OnceLock::new(),
        }
    }

    pub(super) fn service(&self) -> &'static ServiceDescriptor {
        self.service
    }

    /// The service, and the method's index in it.
    pub(crate) fn names(&self) -> (&'static ServiceDescriptor, usize) {
        (self.service, self.index)
    }

    pub(super) fn method(&self) -> &'static str {
        self.service.method(self.index)
    }

    /// Counts a call that begins; whether it is to be timed.
    pub(crate) fn begin(&self) -> bool {
        let number = self.shards[shard()].begun.fetch_add(1, Ordering::Relaxed);
        let untimed = self.untimed.load(Ordering::Relaxed);
        let timed = number & untimed == 0;
        if timed && (self.timed.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(TIMED_PER_S) {
            // More than enough of this second: half as many of those to come.
            self.untimed.store(untimed << 1 | 1, Ordering::Relaxed);
        }
        timed
    }

    /// Counts a call that has ended.
    pub(crate) fn end(&self, code: Code) {
        // A release, so that who sees the end has seen the beginning.
        if code == Code::Ok {
            self.shards[shard()].succeeded.fetch_add(1, Ordering::Release);
        } else {
            self.failed[code as usize].fetch_add(1, Ordering::Release);
        }
    }

    /// How many calls have begun.
    pub(super) fn begun(&self) -> u64 {
        self.shards.iter().map(|shard| shard.begun.load(Ordering::Acquire)).sum()
    }

    /// How many calls have ended, by code.
    pub(super) fn ended(&self) -> [u64; Code::ALL.len()] {
        let mut ended = self.failed.each_ref().map(|failed| failed.load(Ordering::Acquire));
        let succeeded = self.shards.iter().map(|shard| shard.succeeded.load(Ordering::Acquire));
        ended[Code::Ok as usize] = succeeded.sum();
        ended
    }

    /// From now on, times one call in `calls`, up to the next power of two; one in zero is all.
    pub(super) fn time_one_in(&self, calls: u64) {
        self.untimed.store(calls.next_power_of_two() - 1, Ordering::Relaxed);
        self.timed.store(0, Ordering::Relaxed);
    }

    /// The histograms with these names, in their order.
    pub(super) fn histograms(&self, names: &[&'static str]) -> &[metrics::Histogram] {
        self.histograms.get_or_init(|| {
            let (service, method) = (self.service.full_name, self.method());
            let make = |name: &&'static str| {
                metrics::histogram!(*name, "service" => service, "method" => method)
            };
            names.iter().map(make).collect()
        })
    }
}

/// The shard of this thread.
fn shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static SERVICE: ServiceDescriptor =
        ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["M"] };

    #[test]
    fn every_call_is_counted_once_whatever_its_thread() {
        let meter = MethodMeter::new(&SERVICE, 0);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        meter.begin();
                        meter.end(Code::Ok);
                    }
                    meter.begin();
                    meter.end(Code::NotFound);
                    meter.begin();
                });
            }
        });
        let threads = 2 * SHARDS as u64;
        assert_eq!(meter.begun(), threads * 102);
        let ended = meter.ended();
        assert_eq!((ended[0], ended[5]), (threads * 100, threads));
        assert_eq!(ended.iter().sum::<u64>(), threads * 101);
    }

    #[test]
    fn few_calls_are_all_timed_and_of_many_some_are() {
        let meter = MethodMeter::new(&SERVICE, 0);
        assert!((0..256).all(|_| meter.begin()));
        for (one_in, timed) in [(0, 512), (1, 512), (2, 256), (5, 64), (500, 1)] {
            meter.time_one_in(one_in);
            let counted = (0..512).filter(|_| meter.begin()).count();
            assert_eq!(counted, timed, "one in {one_in}");
        }
    }

    #[test]
    fn a_burst_is_not_timed_as_a_whole() {
        let meter = MethodMeter::new(&SERVICE, 0);
        let timed = (0..1_000_000).filter(|_| meter.begin()).count() as u64;
        assert!((TIMED_PER_S..12 * TIMED_PER_S).contains(&timed), "{timed}");
        meter.time_one_in(0);
        assert!(meter.begin(), "the next second has few");
    }
}
