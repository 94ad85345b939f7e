//! What the MPIM services share, and nothing that one of them owns.
//!
//! A service is a library with `start(config, deps) -> Running` and a `main` of one line. This crate
//! is what stands around that: it loads the configuration, sets up the log, hands over what a
//! service cannot make itself, and sees to it that the process ends in order and never serves half.
//!
//! ```no_run
//! use im_common::{Deps, RpcConfig, Running, Tasks, Validate, service_main};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Config {
//!     rpc: RpcConfig,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { rpc: RpcConfig::on_loopback(8010) }
//!     }
//! }
//!
//! impl Validate for Config {}
//!
//! async fn start(config: Config, deps: Deps) -> std::io::Result<Running> {
//!     let listener = tokio::net::TcpListener::bind(config.rpc.listen).await?;
//!     let addr = listener.local_addr()?;
//!     let tasks = Tasks::new("im-example", deps.shutdown.clone());
//!     tasks.spawn_essential("listener", async move {
//!         let _listener = listener; // a real one accepts until the shutdown
//!         deps.shutdown.triggered().await;
//!     });
//!     Ok(Running::new(addr, tasks))
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     service_main::run("im-example", "An example of a service", 9010, start)
//! }
//! ```
//!
//! # The map
//!
//! | module | what |
//! |---|---|
//! | `config` | [`load`]: a TOML file over the defaults, the environment over both, errors that say what would be right; [`RpcConfig`], [`Target`], [`LogConfig`]; [`Rules`] for what types cannot express |
//! | `in_use` | [`InUse`]: a unit of something bounded, counted for as long as it lives |
//! | `readiness` | [`Readiness`], [`Dependency`]: whether the process can do its work, and what it waits for |
//! | `secret` | [`SecretText`]: a text that never shows itself |
//! | `lifecycle` | [`Shutdown`], [`Deps`], [`Tasks`], [`Running`]: from start to an orderly end; [`Trust`]: who may call |
//! | `made_once` | [`make_once`]: a file with a secret that whoever is first makes |
//! | [`service_main`] | the body of every binary |
//! | [`mysql`] | a MySQL-compatible server: bounded connections, transactions that are run again, schema steps |
//! | [`sqlite`] | the embedded store's engine: one writer that commits in batches, a few readers |
//! | [`redis`] | a Redis of one role: fails fast while it is away, connects again by itself |
//! | `data_dir` | [`DataDir`]: one process per data directory |
//! | `error` | [`StoreError`]: what a store's port answers when its database failed |
//! | `clock` | [`Clock`]: wall-clock time as a value |
//! | `admin` | `/healthz`, `/readyz` and `/metrics` for those who watch the process |
//! | `recorder` | where metrics go, and those of the process itself |
//! | `registry` | the process's session with ZooKeeper |
//! | `telemetry` | logs for people and for machines |
//! | [`walk`] | the hops of a message, as tracing spans |
//! | `weighted` | [`WeightedQueue`]: what goes first, by weight, where several wait |
//! | `open_files` | the limit of open files, raised at start |
//! | [`original`] | names in Redis that the original system shares with ours |
//!
//! Deliberately absent: domain types, protobuf messages, ids. They belong to the services.
#![forbid(unsafe_code)]

mod admin;
mod clock;
mod config;
mod data_dir;
mod error;
mod in_use;
mod lifecycle;
mod made_once;
pub mod mysql;
mod open_files;
pub mod original;
mod readiness;
mod recorder;
pub mod redis;
mod registry;
mod secret;
pub mod service_main;
pub mod sqlite;
mod telemetry;
pub mod walk;
mod weighted;

pub use clock::Clock;
pub use config::{
    AdminConfig, ClassicConfig, ConfigError, LogConfig, LogFormat, Origin, Problem, ProcessConfig,
    RpcConfig, Rules, ServiceConfig, ServiceTlsConfig, ShutdownConfig, Target, TargetError,
    Validate, ZooKeeperConfig, load, networks,
};
pub use data_dir::{DataDir, DataDirError};
pub use error::{StoreError, in_one_line};
pub use in_use::InUse;
pub use lifecycle::{
    DRAIN, Deps, Outcome, Running, ServiceError, Shutdown, Tasks, Trust, TrustError,
    run_until_shutdown,
};
pub use made_once::make_once;
pub use open_files::{open_files_max, raise_open_files_limit, warn_if_too_few_open_files};
pub use readiness::{Dependency, Readiness};
pub use secret::SecretText;
pub use weighted::{Priority, Weighed, WeightedQueue};
