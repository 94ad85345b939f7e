//! What the MPIM services share: configuration, telemetry, clock, lifecycle, the SQLite writer.
#![forbid(unsafe_code)]

mod clock;
mod config;
mod lifecycle;
pub mod sqlite;

pub use clock::Clock;
pub use config::{
    ConfigError, LogConfig, LogFormat, Origin, Problem, RpcConfig, ShutdownConfig, Target,
    TargetError, Validate, load,
};
pub use lifecycle::{DRAIN, Deps, Running, ServiceError, Shutdown, Tasks, run_until_shutdown};
