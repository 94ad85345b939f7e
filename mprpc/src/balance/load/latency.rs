//! How long calls take: a peak-sensitive moving average in one atomic word.

use std::time::Duration;

use super::atomic::{AtomicU64, Ordering};

/// The time after which a value has faded to a third, and the span that is averaged over.
const DECAY: Duration = Duration::from_secs(1);

/// Time is counted in steps of 2^16 ns, about 66 µs: 32 bits of them last for 78 hours. A value
/// that nobody has touched for half of that may count as new once more, which the next call mends.
const STEP_BITS: u32 = 16;

/// No value is less, in nanoseconds.
const VALUE_MIN: f32 = 1.0;

/// A moving average that follows a slow call at once, and that fades while nothing comes.
///
/// The value and the time of its last change are one word, so that no reader sees the one without
/// the other, and a change that raced with another is made again on top of it: a peak is never
/// lost.
#[derive(Debug, Default)]
pub(super) struct Latency(
    /// The step of the last change, above the value in nanoseconds as the bits of an `f32`. Zero
    /// before the first.
    AtomicU64,
);

impl Latency {
    /// The value at `now`, in nanoseconds. Never less than one, however long nothing has come: rules
    /// divide by it.
    pub(super) fn read(&self, now: Duration) -> Option<f32> {
        let (step, value) = unpack(self.0.load(Ordering::Relaxed))?;
        Some((value * kept(age(step, self::step(now)))).max(VALUE_MIN))
    }

    /// The value as it was last changed.
    pub(super) fn unfaded(&self) -> Option<f32> {
        unpack(self.0.load(Ordering::Relaxed)).map(|(_, value)| value)
    }

    /// A call that ended at `now` took `took`.
    pub(super) fn observe(&self, now: Duration, took: Duration) {
        let (now, took) = (step(now), nanoseconds(took));
        self.change(now, took, |faded, kept| took.max(faded + (1.0 - kept) * took));
    }

    /// A call that was given up at `now` would have taken more than `took`.
    pub(super) fn at_least(&self, now: Duration, took: Duration) {
        let (now, took) = (step(now), nanoseconds(took));
        self.change(now, took, |faded, _| took.max(faded));
    }

    /// Stores what `of` makes of what has become of the value by `now` and of the part of it that
    /// is kept; `first`, if there is none.
    fn change(&self, now: u32, first: f32, of: impl Fn(f32, f32) -> f32) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let new = match unpack(old) {
                None => pack(now, first),
                Some((step, value)) => {
                    let age = age(step, now);
                    let kept = kept(age);
                    pack(step.wrapping_add(age), of(value * kept, kept))
                }
            };
            if new == old {
                return;
            }
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => old = newer,
            }
        }
    }
}

fn pack(step: u32, value: f32) -> u64 {
    u64::from(step) << 32 | u64::from(value.to_bits())
}

fn unpack(word: u64) -> Option<(u32, f32)> {
    let [a, b, c, d, value @ ..] = word.to_be_bytes();
    let value = f32::from_bits(u32::from_be_bytes(value));
    (value > 0.0).then(|| (u32::from_be_bytes([a, b, c, d]), value))
}

#[expect(clippy::cast_possible_truncation, reason = "the count begins anew after 78 hours")]
fn step(time: Duration) -> u32 {
    (time.as_nanos() >> STEP_BITS) as u32
}

/// Never zero, which would mean that there is no value.
fn nanoseconds(time: Duration) -> f32 {
    (time.as_secs_f32() * 1e9).max(VALUE_MIN)
}

/// From `then` to `now`, in steps; none if `then` is later: another caller has read the clock after
/// this one did.
fn age(then: u32, now: u32) -> u32 {
    let age = now.wrapping_sub(then);
    if age > u32::MAX / 2 { 0 } else { age }
}

/// What part of a value is left after `age`.
fn kept(age: u32) -> f32 {
    if age == 0 {
        return 1.0;
    }
    let step_s = (1_u64 << STEP_BITS) as f32 / 1e9;
    (-(age as f32) * step_s / DECAY.as_secs_f32()).exp()
}
