//! The part of the port that is about telling others of what ended.

use im_common::StoreError;

use super::log_ins::{LOGGED_OUT, REPLACED};

/// What ended while others still have to be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revocation {
    /// A device was revoked.
    Device(RevokedDevice),
    /// Log-ins ended.
    LogIns(EndedLogIns),
}

/// A device that was revoked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RevokedDevice {
    pub(crate) user_id: i64,
    pub(crate) name: String,
    /// It, and whatever of its name came before it.
    pub(crate) generation: i64,
}

/// Log-ins of a user that ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The reasons of an end that nobody was put out by: whoever is told may wait for the others.
pub(super) const PLAIN: [&str; 2] = [LOGGED_OUT, REPLACED];

/// Who has to be told of what ended. Adding to it is part of ending something.
pub(crate) trait RevocationStore {
    /// Revocations that are due, at most `limit`: those by which somebody is put out first, and of either
    /// kind the one due longest.
    fn due_revocations(
        &self,
        time: DueTime,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Revocation>, StoreError>> + Send;

    /// Puts off those revocations that are still due until `until_ms`, and answers which they are. Of any
    /// number of callers at once each is given to exactly one: it is for them to tell others.
    fn claim_revocations(
        &self,
        revocations: Vec<Revocation>,
        time: DueTime,
        until_ms: i64,
    ) -> impl Future<Output = Result<Vec<Revocation>, StoreError>> + Send;

    /// Everybody was told. Once more changes nothing.
    fn revocations_told(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Of how many others have yet to be told, due or put off.
    fn revocations_untold(&self) -> impl Future<Output = Result<u32, StoreError>> + Send;
}

/// The first `limit` of both, each with the moment since which it is due, in the order of
/// [`due_revocations`](RevocationStore::due_revocations).
pub(super) fn most_urgent(
    devices: Vec<(i64, RevokedDevice)>,
    log_ins: Vec<(i64, EndedLogIns)>,
    limit: u32,
) -> Vec<Revocation> {
    let devices = devices.into_iter().map(|(due_ms, it)| (false, due_ms, Revocation::Device(it)));
    let log_ins = log_ins
        .into_iter()
        .map(|(due_ms, it)| (PLAIN.contains(&it.reason.as_str()), due_ms, Revocation::LogIns(it)));
    let mut all: Vec<_> = devices.chain(log_ins).collect();
    all.sort_by_key(|(plain, due_ms, _)| (*plain, *due_ms));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    all.into_iter().map(|(.., revocation)| revocation).collect()
}
