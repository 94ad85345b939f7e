//! ZooKeeper, etcd, MariaDB and Redis for tests, as `scripts/deps` starts them.
//!
//! Knows nothing of those who test with them, so any crate can have it as a dev-dependency. There
//! are two ways to a server:
//!
//! * **Shared**, for tests that leave it alone: [`zookeeper()`], [`mariadb()`], [`redis()`]. The one at
//!   `TEST_ZOOKEEPER`, `TEST_MARIADB` or `TEST_REDIS` (`127.0.0.1:port`), else that of
//!   `scripts/deps up`. Each test has a root, a database or a prefix of its own on it.
//! * **Private**, for tests that stop, kill or freeze it: [`PrivateZooKeeper`], [`PrivateEtcd`],
//!   [`PrivateMariaDb`], [`PrivateRedis`], each on a free port with data of its own, killed when it is dropped or when
//!   the thread of the test ends. A [`ZooKeeperEnsemble`] is three of them that agree, a
//!   [`WatchedRedis`] a master and a replica with three sentinels.
//!
//! Where there is none, both are `None`, after `SKIPPED` and the reason were printed: such a test
//! returns, and `scripts/test` fails on that word.
//!
//! A [`Way`] stands between a client and either of them, and lets an answer get lost.
//!
//! ```no_run
//! # async fn a_test() {
//! let Some(redis) = test_servers::redis().await else { return };
//! let prefix = redis.fresh_prefix();
//! // …a client of redis.url() whose keys begin with that…
//!
//! let Some(mut redis) = test_servers::PrivateRedis::start().await else { return };
//! redis.kill().await; // it forgets everything
//! redis.start_again().await;
//! redis.pause(); // connections stay, nothing is answered
//! redis.resume();
//! # }
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a harness fails the test that uses it, and says why"
)]

mod ensemble;
mod etcd;
mod mariadb;
mod names;
mod ports;
mod private;
mod redis;
mod sentinel;
mod shared;
mod way;
mod zookeeper;

pub use ensemble::ZooKeeperEnsemble;
pub use etcd::Etcd;
pub use mariadb::{Database, MariaDb};
pub use ports::free_address;
pub use private::{
    Private, PrivateEtcd, PrivateMariaDb, PrivateRedis, PrivateZooKeeper, Server, mortal,
};
pub use redis::{Redis, redis_connection};
pub use sentinel::{Sentinel, WatchedRedis};
pub use shared::{mariadb, redis, zookeeper};
pub use way::Way;
pub use zookeeper::ZooKeeper;
