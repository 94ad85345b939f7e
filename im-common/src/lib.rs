//! What the MPIM services share: configuration, telemetry, clock, lifecycle, the SQLite writer.
#![forbid(unsafe_code)]

mod clock;
mod config;
mod data_dir;
mod lifecycle;
mod open_files;
pub mod service_main;
pub mod sqlite;
mod telemetry;

pub use clock::Clock;
pub use config::{
    ConfigError, LogConfig, LogFormat, Origin, Problem, RpcConfig, ShutdownConfig, Target,
    TargetError, Validate, load,
};
pub use data_dir::{DataDir, DataDirError};
pub use lifecycle::{DRAIN, Deps, Running, ServiceError, Shutdown, Tasks, run_until_shutdown};
pub use open_files::{open_files_max, warn_if_too_few_open_files};
pub use telemetry::WALK;
