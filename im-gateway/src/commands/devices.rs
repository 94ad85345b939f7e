//! `DEVICES` and `REVOKE`.

use std::collections::BTreeMap;

use im_wire::Reply;
use mpim_proto::{ListDevicesReq, QueryDevicesReq, RevokeDeviceReq};
use mprpc::{Code, Context, Status};

use super::refusal;
use crate::gateway::Gateway;

/// The devices that the user has, and those that are connected: at a gateway of the original system
/// there may be some that nobody has noted.
pub(super) async fn list(gateway: &Gateway, cx: &Context, user_id: i64) -> Result<Reply, Status> {
    let (users, presence) = (&gateway.services.user, &gateway.services.presence);
    let (known, connected) = tokio::join!(
        users.list_devices(cx, ListDevicesReq { user_id }),
        presence.query_devices(cx, QueryDevicesReq { user_id })
    );
    let known = match known {
        // im-user is the original's.
        Err(status) if status.code() == Code::Unimplemented => Vec::new(),
        known => known?.devices,
    };
    let connected = connected?;
    if let Some(refused) = refusal(connected.result) {
        return Ok(refused);
    }
    let mut devices: BTreeMap<String, bool> =
        known.into_iter().map(|device| (device.name, false)).collect();
    devices.extend(connected.devices.into_iter().map(|name| (name, true)));
    Ok(Reply::Devices(devices.into_iter().collect()))
}

/// Puts a device of the user out.
pub(super) async fn revoke(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    device: String,
) -> Result<Reply, Status> {
    let request = RevokeDeviceReq { user_id, device };
    let answer = gateway.services.user.revoke_device(cx, request).await?;
    Ok(refusal(answer.result).unwrap_or(Reply::Revoked))
}
