//! The part of the port that is about the devices of users.

use im_common::StoreError;

/// A device that a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// As `mpim_proto::DeviceName` has it.
    pub(crate) name: String,
    /// Which of the devices that the user has begun to use it is, from 1. One that comes back after it
    /// was revoked is another.
    pub(crate) generation: i64,
    /// im-message knows where it begins.
    pub(crate) opened: bool,
    /// When it logged in first.
    pub(crate) since_ms: i64,
    /// When it logged in last, as far as it was noted.
    pub(crate) last_login_ms: i64,
}

/// How noting a log-in ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// The user has the device.
    Device(Device),
    /// The same, in place of the one with this name, which was revoked.
    Instead(Device, String),
    /// They have as many others as allowed.
    TooMany,
}

/// How many devices a user may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) devices_max: u32,
    /// Where there is none left, the device that logged in longest ago makes some, if that was before.
    pub(crate) unused_before_ms: i64,
}

/// The devices of users.
pub(crate) trait DeviceStore {
    /// One device; `None` if the user does not have it.
    fn device(
        &self,
        user_id: i64,
        name: String,
    ) -> impl Future<Output = Result<Option<Device>, StoreError>> + Send;

    /// All devices of a user, by name.
    fn devices(&self, user_id: i64)
    -> impl Future<Output = Result<Vec<Device>, StoreError>> + Send;

    /// A device of a user that exists has logged in. One that the user did not have begins: it is not
    /// opened, and of any number of callers all are given the same generation, above all that any
    /// device of the user ever had. No user ever has more than there is `room` for; who makes some is
    /// revoked as in [`revoke_device`](Self::revoke_device), due now.
    fn note_log_in(
        &self,
        user_id: i64,
        name: String,
        room: Room,
        now_ms: i64,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send;

    /// im-message knows where the device begins, unless it was revoked meanwhile.
    fn device_opened(
        &self,
        user_id: i64,
        name: String,
        generation: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The user does not have the device any more, nor do its log-ins, and others have to be told; whether
    /// they had it.
    fn revoke_device(
        &self,
        user_id: i64,
        name: String,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
