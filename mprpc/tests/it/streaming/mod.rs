//! Calls that carry many messages.

mod by_hand;
mod credit;
mod ending;
mod kinds;
mod scripted;
mod stack;
mod stalls;
