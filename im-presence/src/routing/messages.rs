//! Routes and gateways as messages, and back.

use std::collections::HashMap;
use std::sync::Arc;

use mpim_proto::{GatewayBoot, GatewayOffer, RouteKey, RoutedSession, UsersAtGateway};
use mprpc::Status;

use super::routes::{Gateway, Key, Offer, Route};
use crate::connections::is_address;

/// The longest name (of a gateway, boot, device, session) that is kept.
const NAME_BYTES_MAX: usize = 256;

/// Names that are kept for as long as their owner likes have a bound.
///
/// # Errors
/// One is too long.
pub(super) fn check_names(names: &[&str]) -> Result<(), Status> {
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(Status::invalid_argument(format!(
            "a name in the request is longer than {NAME_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// A gateway of ours, to which something can be pushed.
///
/// # Errors
/// It gives no address or no boot id, or they make no sense.
pub(crate) fn reachable(named: GatewayBoot) -> Result<Arc<Gateway>, Status> {
    let GatewayBoot { gateway_id: id, gateway_addr: addr, boot_id } = named;
    check_names(&[&id, &boot_id])?;
    if !is_address(&addr) || boot_id.is_empty() {
        return Err(Status::invalid_argument(
            "gateway_addr must be host:port and come with a boot_id",
        ));
    }
    Ok(Arc::new(Gateway { id, addr, boot_id }))
}

/// What a gateway offers clients.
///
/// # Errors
/// Its endpoint is none.
pub(super) fn check_offer(offer: GatewayOffer) -> Result<Offer, Status> {
    let GatewayOffer { endpoint, weight, priority, frames_endpoint } = offer;
    if !is_address(&endpoint) || !(frames_endpoint.is_empty() || is_address(&frames_endpoint)) {
        return Err(Status::invalid_argument("the endpoints of an offer must be host:port"));
    }
    Ok(Offer { endpoint, weight, priority, frames_endpoint })
}

/// The gateway that a message names; an empty one names none.
pub(crate) fn gateway(named: Option<GatewayBoot>) -> Option<Arc<Gateway>> {
    let GatewayBoot { gateway_id: id, gateway_addr: addr, boot_id } = named?;
    Some(Arc::new(Gateway { id, addr, boot_id }))
}

/// The same of several.
pub(crate) fn gateways(named: Vec<GatewayBoot>) -> Vec<Arc<Gateway>> {
    named.into_iter().filter_map(|named| gateway(Some(named))).collect()
}

impl From<&Gateway> for GatewayBoot {
    fn from(Gateway { id, addr, boot_id }: &Gateway) -> Self {
        let (gateway_id, gateway_addr) = (id.clone(), addr.clone());
        Self { gateway_id, gateway_addr, boot_id: boot_id.clone() }
    }
}

impl From<Route> for RoutedSession {
    fn from(route: Route) -> Self {
        let Route { user_id, device, session_id, since_ms, gateway } = route;
        let gateway = Some(GatewayBoot::from(&*gateway));
        Self { user_id, device, session_id, since_ms, gateway }
    }
}

impl From<RouteKey> for Key {
    fn from(RouteKey { user_id, device, session_id }: RouteKey) -> Self {
        Self { user_id, device, session_id }
    }
}

impl From<Key> for RouteKey {
    fn from(Key { user_id, device, session_id }: Key) -> Self {
        Self { user_id, device, session_id }
    }
}

/// Users by the gateways that they are at, each in the order of `resolved`.
pub(super) fn by_gateway(resolved: Vec<(i64, Arc<Gateway>)>) -> Vec<UsersAtGateway> {
    let mut at: HashMap<Arc<Gateway>, Vec<i64>> = HashMap::new();
    for (user_id, gateway) in resolved {
        at.entry(gateway).or_default().push(user_id);
    }
    let users_at = |(gateway, user_ids): (Arc<Gateway>, _)| UsersAtGateway {
        gateway: Some(GatewayBoot::from(&*gateway)),
        user_ids,
    };
    at.into_iter().map(users_at).collect()
}
