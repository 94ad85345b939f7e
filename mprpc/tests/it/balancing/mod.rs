//! How calls are spread over instances.

mod ailing;
mod fleet;
mod rules;
mod who;
