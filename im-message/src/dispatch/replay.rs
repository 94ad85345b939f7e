//! Telling again what was given up on, because an operator wants it.

use im_common::{Priority, StoreError};
use mpim_proto::presence_service;
use mprpc::Status;
use tokio::time::Instant;

use super::given_up::Gathered;
use super::outlet::Committed;
use super::teller::Teller;
use crate::store::{DeadLetter, Timeline};

/// Tells of the entries of dead letters. It is in nobody's way: it calls beside the lanes, and a
/// gateway that has an entry passes it over.
pub(crate) struct Replay<T, P> {
    teller: Teller<T, P>,
}

/// Why a letter was not replayed; it is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("im-presence did not take it: {0}")]
    Presence(Status),
}

impl<T: Timeline, P: presence_service::Server> Replay<T, P> {
    pub(super) fn new(teller: Teller<T, P>) -> Self {
        Self { teller }
    }

    /// Tells of the letter's entries, those that still exist, and removes it.
    ///
    /// Cancel safe: the letter stays, and its entries may have been told of.
    ///
    /// # Errors
    /// The letter stays, and its entries may have been told of.
    pub(crate) async fn replay(
        &self,
        DeadLetter { id, letter }: DeadLetter,
    ) -> Result<(), ReplayError> {
        let Teller { store, config, .. } = &self.teller;
        let mut first_seq = letter.first_seq;
        loop {
            let seqs = (first_seq, letter.last_seq);
            let entries = store.entries(letter.conv, seqs, config.batch_entries_max).await?;
            let since = Instant::now();
            let (conv, priority) = (letter.conv, Priority::Normal);
            let committed = |entry| Committed { conv, entry, since, priority };
            let gathered = Gathered::of(entries.into_iter().map(committed));
            if !gathered.has_news() {
                break;
            }
            let sent = self.teller.tell(&gathered).await.map_err(ReplayError::Presence)?;
            let told = gathered.entries.iter().take(sent);
            first_seq = told.map(|told| told.entry.seq + 1).max().unwrap_or(i64::MAX);
        }
        store.remove_dead_letters(vec![id]).await?;
        Ok(())
    }
}
