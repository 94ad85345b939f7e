//! The part of the port that is about where devices begin.

use std::future::Future;

use im_common::StoreError;

use super::Reader;

/// Devices that were forgotten of which each user's newest are remembered, so that what comes late for
/// one of them finds out.
pub(crate) const FORGOTTEN_MAX: i64 = 100;

/// Where the devices of a user begin.
///
/// A device has a **generation**: its user began to use it as the first, second, third … of their
/// devices. One that comes back after it was forgotten has another. What is told here may be told twice
/// or late; whatever is about a generation does nothing to a younger one.
///
/// A device that was never opened begins where its user does. So do those of the classic route.
///
/// Cancel safe as the rest of the port.
pub(crate) trait Devices {
    /// Settles where a device begins; again changes nothing. The first device of a user begins where
    /// they do, unless others have cursors already; one that was never opened and has cursors keeps
    /// them. Any other begins at the heads of all conversations that its user ever saw something of,
    /// without counting as having got what is there. Everything that is written afterwards is for it.
    ///
    /// `false`, and nothing was changed, if the device was forgotten or a younger one has its name.
    fn open_device(
        &self,
        reader: &Reader,
        generation: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets the cursors of a device, unless a younger one has its name. Again changes nothing.
    fn forget_device(
        &self,
        reader: &Reader,
        generation: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What is known of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) generation: i64,
    pub(super) forgotten: bool,
}

/// What to do for a device that is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Refused,
    Done,
    /// It has never been opened.
    First,
    /// What is stored of the one before it goes.
    Anew,
}

impl Opening {
    pub(super) fn of(known: Option<Known>, generation: i64) -> Self {
        match known {
            None => Self::First,
            Some(known) if known.generation > generation => Self::Refused,
            Some(known) if known.generation < generation => Self::Anew,
            Some(known) if known.forgotten => Self::Refused,
            Some(_) => Self::Done,
        }
    }
}
