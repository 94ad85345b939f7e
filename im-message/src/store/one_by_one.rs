//! After a batch could not be written: its entries one by one, so that a bad one fails alone.

use im_common::StoreError;

use super::{AppendError, Appended};
use crate::conversation::ConvId;
use crate::entry::NewEntry;

/// The answers so far, and where no more may be written.
#[derive(Debug, Default)]
pub(super) struct OneByOne {
    answers: Vec<Result<Appended, AppendError>>,
    broken: Vec<(ConvId, StoreError)>,
    /// Why nothing more is written anywhere.
    given_up: Option<StoreError>,
}

impl OneByOne {
    /// `failure` is that of the whole.
    pub(super) fn begin(batch: &[NewEntry], failure: &StoreError) -> Self {
        tracing::warn!(
            error = im_common::in_one_line(failure),
            entries = batch.len(),
            "a batch could not be written; its entries are tried one by one"
        );
        Self::default()
    }

    /// Whether the next entry is to be tried. Once one has failed, the later ones of its conversation
    /// fail as well: they must not stand before it.
    pub(super) fn may_write(&mut self, conv: ConvId) -> bool {
        let broken = self.broken.iter().find(|(broken, _)| *broken == conv);
        let failure = broken.map(|(_, failure)| failure).or(self.given_up.as_ref()).cloned();
        let may = failure.is_none();
        self.answers.extend(failure.map(|failure| Err(failure.into())));
        may
    }

    /// The outcome of the entry that was tried.
    pub(super) fn wrote(
        &mut self,
        conv: ConvId,
        outcome: Result<Vec<Result<Appended, AppendError>>, StoreError>,
    ) {
        match outcome {
            Ok(answer) => self.answers.extend(answer),
            Err(failure) => {
                self.broken.push((conv, failure.clone()));
                self.answers.push(Err(failure.into()));
            }
        }
    }

    /// It is the store that fails, not an entry: the rest is not tried, or each would wait for the
    /// store in turn, and the lane with them.
    pub(super) fn give_up(&mut self, failure: &StoreError) {
        self.given_up = Some(failure.clone());
    }

    pub(super) fn answers(self) -> Vec<Result<Appended, AppendError>> {
        self.answers
    }
}
