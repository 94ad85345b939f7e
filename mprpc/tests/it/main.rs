//! mprpc over real sockets, through its public API.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod affinity;
mod bad_input;
mod balancing;
mod bugs_of_others;
mod callers;
mod classic;
mod compression;
mod connections;
mod crate_page;
mod deadlines;
mod descriptors;
mod detached;
mod errors;
mod etcd;
mod health;
mod instances;
mod interceptors;
mod leaving;
mod local;
mod metrics;
mod overload;
mod python;
mod registries;
mod rolling;
mod said;
mod signals;
mod strangers;
mod streaming;
mod support;
mod threads;
mod tls;
mod told;
mod trace;
mod unix;
mod v2;
mod zookeeper;
