//! What is counted of an instance: the calls in flight, and the refusals in a row.

use super::atomic::{AtomicUsize, Ordering};

/// Each count stands alone: nothing is concluded from two of them together.
///
/// On a cache line of its own: all threads write here with each call, and only read what stands around
/// it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Counts {
    calls: AtomicUsize,
    streams: AtomicUsize,
    refusals: AtomicUsize,
}

impl Counts {
    /// How many calls are in flight that do not stream.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many calls that stream are open.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Counts a call that does not stream until what is returned is dropped.
    pub(super) fn call(&self) -> Counted<'_> {
        let others = self.calls.fetch_add(1, Ordering::Relaxed);
        Counted { counts: self, others }
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// A call was refused. Tells how many there have been in a row, with this one.
    pub(super) fn refused(&self) -> usize {
        self.refusals.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// A call was answered, so that no refusals are in a row with those to come.
    pub(super) fn answered(&self) {
        // Mostly there are none, and nothing need be written.
        if self.refusals.load(Ordering::Relaxed) > 0 {
            self.refusals.store(0, Ordering::Relaxed);
        }
    }
}

/// A call in flight, however it ends.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    counts: &'a Counts,
    /// How many were in flight before it.
    pub(super) others: usize,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counts.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
