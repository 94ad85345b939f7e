//! From start to end: what a service is given, what it gives back, and how it is told to finish.

mod deps;
mod running;
mod shutdown;
mod tasks;
mod trust;

pub use self::deps::Deps;
pub use self::running::{DRAIN, Running, run_until_shutdown};
pub use self::shutdown::Shutdown;
pub use self::tasks::{Outcome, ServiceError, Tasks};
pub use self::trust::{Trust, TrustError};
