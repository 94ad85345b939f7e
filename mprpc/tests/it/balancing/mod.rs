//! How calls are spread over instances.

mod ailing;
pub(crate) mod fleet;
mod rules;
mod who;
