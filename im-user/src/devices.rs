//! Devices: a log-in is one device's, and who has lost one can put it out.
//!
//! A device begins with its first log-in, under a *generation* that the user never had before, and
//! im-message is told before anybody is answered: what it is shown begins there. Its tokens name
//! both. Revoking takes the device away in the same transaction that notes whom to tell
//! (`revoking.rs`), so from then on its tokens are good for nothing; under the same name another one
//! may begin, with which nothing that is still told of the former has to do.

use std::sync::Arc;
use std::time::Duration;

use im_common::Clock;
use metrics::counter;
use mpim_proto::{DeviceName, TEXT_DEVICE};
use mprpc::Context;

use crate::config::DevicesConfig;
use crate::error::UserError;
use crate::grant::{Granted, Wanted};
use crate::neighbours::Neighbours;
use crate::password::Password;
use crate::store::{Device, Noted, Room, UserStore};
use crate::users::Users;

/// A log-in of a device that is known, or that it refreshes one, is noted at most this often: most log-ins write nothing.
pub(crate) const NOTED_EVERY_MS: i64 = 3600 * 1000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Devices<S, N> {
    pub(crate) users: Arc<Users<S>>,
    pub(crate) neighbours: N,
    pub(crate) clock: Clock,
    pub(crate) config: DevicesConfig,
}

impl<S: UserStore, N: Neighbours> Devices<S, N> {
    pub(crate) fn new(users: Arc<Users<S>>, neighbours: N) -> Self {
        let (clock, config) = (users.clock.clone(), users.config.devices.clone());
        Self { users, neighbours, clock, config }
    }

    /// Logs a device in. An empty name is `text`.
    pub(crate) async fn log_in(
        &self,
        cx: &Context,
        name: &[u8],
        password: Password,
        wanted: Wanted,
        address: &str,
    ) -> Result<Granted, UserError> {
        let wanted = Wanted { device: named(wanted.device)?, ..wanted };
        let account = self.users.log_in(name, password, address).await?;
        let generation = self.begins(cx, account.user_id, wanted.device.clone()).await?;
        self.users.grant(account, wanted, generation).await
    }

    /// Makes an account, with the device of whoever makes it.
    pub(crate) async fn register(
        &self,
        name: &[u8],
        password: Password,
        wanted: Wanted,
        address: &str,
    ) -> Result<Granted, UserError> {
        let wanted = Wanted { device: named(wanted.device)?, ..wanted };
        self.users.register(name, password, wanted, address).await
    }

    /// The devices of a user, by name.
    pub(crate) async fn of(&self, user_id: i64) -> Result<Vec<Device>, UserError> {
        Ok(self.users.store.devices(user_id).await?)
    }

    /// Revokes a device of a user, durably. Its open sessions end, and what is stored of it is
    /// forgotten, as soon as others can be told.
    pub(crate) async fn revoke(&self, user_id: i64, name: String) -> Result<(), UserError> {
        let name = named(name)?;
        let due_at_ms = self.clock.now_ms();
        if !self.users.store.revoke_device(user_id, name, due_at_ms).await? {
            return Err(UserError::NoSuchDevice);
        }
        self.count_revoked();
        Ok(())
    }

    fn count_revoked(&self) {
        counter!("mpim_devices_revoked_total").increment(1);
        self.users.ended.notify_one();
    }

    /// What there is for the devices of a user.
    fn room(&self, now_ms: i64) -> Room {
        let unused_before_ms = match self.config.unused_days {
            0 => i64::MIN,
            days => now_ms - i64::from(days) * 24 * 3600 * 1000,
        };
        Room { devices_max: self.config.per_user_max, unused_before_ms }
    }

    /// How long a neighbour may take to be told.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms.into())
    }

    /// The generation of a device that logs in, once im-message knows where it begins.
    pub(crate) async fn begins(
        &self,
        cx: &Context,
        user_id: i64,
        name: String,
    ) -> Result<i64, UserError> {
        let (store, now_ms) = (&self.users.store, self.clock.now_ms());
        let known = store.device(user_id, name.clone()).await?;
        let recently = |device: &Device| now_ms - device.last_login_ms < NOTED_EVERY_MS;
        let device = match known.filter(recently) {
            Some(device) => device,
            None => {
                match store.note_log_in(user_id, name.clone(), self.room(now_ms), now_ms).await? {
                    Noted::Device(device) => device,
                    Noted::Instead(device, unused) => {
                        tracing::info!(user_id, unused, "a device that was not used made room");
                        self.count_revoked();
                        device
                    }
                    Noted::TooMany => return Err(UserError::TooManyDevices),
                }
            }
        };
        if !device.opened {
            let cx = &cx.capped(self.timeout());
            let opening = self.neighbours.open_device(cx, user_id, &name, device.generation);
            opening.await.map_err(UserError::NotOpened)?;
            store.device_opened(user_id, name, device.generation).await?;
            counter!("mpim_devices_begun_total").increment(1);
        }
        Ok(device.generation)
    }
}

/// A device's name, if it is one; nothing stands for `text`.
fn named(device: String) -> Result<String, UserError> {
    match device.as_str() {
        "" => Ok(TEXT_DEVICE.to_owned()),
        name if DeviceName::parse(name).is_some() => Ok(device),
        _ => Err(UserError::BadDevice),
    }
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
