//! The part of the port that is about telling others of what ended.

use im_common::StoreError;

/// What ended while others still have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// A device was revoked.
    Device(RevokedDevice),
    /// Log-ins ended.
    LogIns(EndedLogIns),
}

/// A device that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RevokedDevice {
    pub(crate) user_id: i64,
    pub(crate) name: String,
    /// It, and whatever of its name came before it.
    pub(crate) generation: i64,
}

/// Log-ins of a user that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedLogIns {
    pub(crate) user_id: i64,
    /// One; empty: all up to the epoch.
    pub(crate) log_in_id: String,
    /// 0 where it is one.
    pub(crate) epoch: i64,
    /// The one of them that did not end, if any.
    pub(crate) except_log_in_id: String,
    /// What the user of their sessions is told.
    pub(crate) reason: String,
}

/// What the time says about which revocations are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DueTime {
    pub(crate) now_ms: i64,
    /// None is put off for longer. One that is due later than this was put off before a clock went
    /// back: it is due, too.
    pub(crate) latest_ms: i64,
}

/// Who has to be told of what ended. Adding to it is part of ending something.
pub(crate) trait RevocationStore {
    /// Revocations that are due, the one due longest first, at most `limit`.
    fn due_revocations(
        &self,
        time: DueTime,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Revocation>, StoreError>> + Send;

    /// Puts off a revocation that is due until `until_ms`; whether it still was. Of any number of
    /// callers at once exactly one is told so: it is for them to tell others.
    fn claim_revocation(
        &self,
        revocation: &Revocation,
        time: DueTime,
        until_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Everybody was told. Once more changes nothing.
    fn revocation_told(
        &self,
        revocation: &Revocation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The first `limit` of both, each with the moment since which it is due, and in that order.
pub(super) fn longest_due(
    devices: Vec<(i64, RevokedDevice)>,
    log_ins: Vec<(i64, EndedLogIns)>,
    limit: u32,
) -> Vec<Revocation> {
    let devices = devices.into_iter().map(|(due_ms, it)| (due_ms, Revocation::Device(it)));
    let log_ins = log_ins.into_iter().map(|(due_ms, it)| (due_ms, Revocation::LogIns(it)));
    let mut all: Vec<_> = devices.chain(log_ins).collect();
    all.sort_by_key(|(due_ms, _)| *due_ms);
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    all.into_iter().map(|(_, revocation)| revocation).collect()
}
