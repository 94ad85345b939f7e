//! Counts and times of calls, for the `metrics` facade.
//!
//! A call costs two additions to counters of its own thread's. Once a second what was added is
//! handed to the recorder, so that a recorder costs a call nothing, and one that is installed late
//! hears of what comes after. Times are taken of some calls only: of all of them as long as a
//! method has no more than [`TIMED_PER_S`] calls a second, of about as many where it has more; of
//! a second in which there suddenly are more, of up to ten times as many.

mod method;
mod times;

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};

pub(crate) use method::MethodMeter;
pub(crate) use times::{ClientTimes, ServerTimes, Timing};

use crate::status::Code;

/// How often counts are handed to the recorder.
const EVERY: Duration = Duration::from_secs(1);

/// How many calls of a method are timed each second, at least while there are as many.
const TIMED_PER_S: u64 = 1_000;

/// What the metrics of an end are called.
#[derive(Debug)]
pub(crate) struct Names {
    calls: &'static str,
    in_flight: &'static str,
}

/// Those of a channel's calls.
pub(crate) const CLIENT: Names =
    Names { calls: "mprpc_client_calls_total", in_flight: "mprpc_client_calls_in_flight" };

/// Those of the calls that a server gets.
pub(crate) const SERVER: Names =
    Names { calls: "mprpc_server_calls_total", in_flight: "mprpc_server_calls_in_flight" };

/// A call that is under way: counted as one that was given up unless it is said to have ended.
#[derive(Debug)]
pub(crate) struct Counted<M: Deref<Target = MethodMeter>> {
    meter: M,
    ended: bool,
}

impl<M: Deref<Target = MethodMeter>> Counted<M> {
    /// Counts a call that begins, and says whether it is to be timed.
    pub(crate) fn begin(meter: M) -> (Self, bool) {
        let timed = meter.begin();
        (Self { meter, ended: false }, timed)
    }

    pub(crate) fn meter(&self) -> &M {
        &self.meter
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Counts its end, once.
    pub(crate) fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            self.meter.end(code);
        }
    }
}

impl<M: Deref<Target = MethodMeter>> Drop for Counted<M> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The counts of some methods, and what the recorder knows of them.
#[derive(Debug)]
pub(crate) struct Meters {
    names: &'static Names,
    methods: Vec<(Arc<MethodMeter>, Mutex<Known>)>,
}

/// What was handed to the recorder.
#[derive(Debug, Default)]
struct Known {
    begun: u64,
    ended: [u64; Code::ALL.len()],
    in_flight: u64,
}

impl Meters {
    pub(crate) fn new(
        names: &'static Names,
        methods: impl IntoIterator<Item = Arc<MethodMeter>>,
    ) -> Self {
        let methods = methods.into_iter().map(|meter| (meter, Mutex::default())).collect();
        Self { names, methods }
    }

    /// Hands on what is counted, each second, for ever. Dropped, all that is left.
    pub(crate) async fn publish_each_second(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.publish();
        }
    }

    fn publish(&self) {
        for (meter, known) in &self.methods {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            self.publish_method(meter, &mut known);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 calls are not reached"
    )]
    fn publish_method(&self, meter: &MethodMeter, known: &mut Known) {
        // What has ended is read first: none of it has not begun.
        let ended = meter.ended();
        let begun = meter.begun();
        meter.time_one_in((begun - known.begun) / TIMED_PER_S);
        known.begun = begun;
        let (service, method) = (meter.service().full_name, meter.method());
        for ((code, now), before) in Code::ALL.into_iter().zip(ended).zip(&mut known.ended) {
            let more = now - std::mem::replace(before, now);
            if more > 0 {
                let code = code.name();
                counter!(self.names.calls, "service" => service, "method" => method, "code" => code)
                    .increment(more);
            }
        }
        let now = begun.saturating_sub(ended.iter().sum());
        let before = std::mem::replace(&mut known.in_flight, now);
        if now != before {
            // Others may have calls of this method in flight: channels, or servers.
            gauge!(self.names.in_flight, "service" => service, "method" => method)
                .increment(now as f64 - before as f64);
        }
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        self.publish();
    }
}
