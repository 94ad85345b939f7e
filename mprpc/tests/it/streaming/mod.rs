//! Calls that carry many messages.

mod credit;
mod ending;
mod kinds;
mod scripted;
mod stack;
