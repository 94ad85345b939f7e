//! The gateways themselves: how they are reached.

mod gateways;

pub(crate) use self::gateways::{Gateways, is_address};
