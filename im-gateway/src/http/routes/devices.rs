//! The caller's devices.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Reply};
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, At, Done, Nothing};

/// What the caller has logged in with.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Devices {
    devices: Vec<Device>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Device {
    #[schema(example = "web:k3v9")]
    name: String,
    /// It has a connection that is logged in.
    online: bool,
    /// It is the caller's own.
    current: bool,
}

#[utoipa::path(get, path = "/api/devices", tag = "devices",
    responses((status = 200, body = Done<Devices>), Problems))]
/// The caller's devices.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
) -> Answer<Devices> {
    match core::perform(&http.gateway, &principal, Command::Devices).await {
        Reply::Devices(devices) => {
            let devices = devices.into_iter().map(|(name, online)| Device {
                current: name == principal.device,
                name,
                online,
            });
            Ok(Done::with(Devices { devices: devices.collect() }))
        }
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(delete, path = "/api/devices/{name}", tag = "devices",
    params(("name" = String, Path, description = "The device.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Puts a device out: its tokens are worthless, its connections end.
pub(in crate::http) async fn revoke(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(device): At<String>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::Revoke { device }).await {
        Reply::Revoked => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}
