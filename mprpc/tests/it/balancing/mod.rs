//! How calls are spread over instances.

mod fleet;
mod rules;
mod who;
