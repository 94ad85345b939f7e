//! Connections: the gateways themselves, and closing sessions there.

mod gateways;
mod service;

pub(crate) use self::gateways::{Gateways, is_address};
pub(crate) use self::service::Connections;
