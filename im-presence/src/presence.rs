//! What others ask of im-presence: `PresenceService`, which keeps the original's methods.

mod bind;
mod original;
mod service;

pub(crate) use self::bind::Binder;
pub(crate) use self::original::Original;
pub(crate) use self::service::PresenceService;
