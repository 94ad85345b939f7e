//! Discovery through a real ZooKeeper.

mod classic;
mod damage;
mod faults;
pub(crate) mod fixture;
mod ids;
mod leaving;
mod listing;
pub(crate) mod load;
mod nodes;
mod outage;
