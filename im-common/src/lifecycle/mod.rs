//! From start to end: what a service is given, what it gives back, and how it is told to finish.

mod running;
mod shutdown;
mod tasks;

use mprpc::{BoundServer, Channel, ChannelError, ServerBuilder, ServerError};

pub use self::running::{DRAIN, Running, run_until_shutdown};
pub use self::shutdown::Shutdown;
pub use self::tasks::{ServiceError, Tasks};
use crate::{Clock, RpcConfig, Target};

/// What every service's `start` takes besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct Deps {
    /// In-process discovery: where services of the same process find each other (`memory://`).
    pub memory: mprpc::discovery::Memory,
    /// When this service is to finish. Each service of a process has its own, so that they can be
    /// stopped in order.
    pub shutdown: Shutdown,
    /// The wall clock.
    pub clock: Clock,
}

impl Deps {
    /// The system's clock and a shutdown of its own, over this process's discovery.
    #[must_use]
    pub fn new(memory: mprpc::discovery::Memory) -> Self {
        Self { memory, shutdown: Shutdown::new(), clock: Clock::system() }
    }

    /// The same dependencies with a shutdown of its own, for the next service of the process.
    #[must_use]
    pub fn for_service(&self) -> Self {
        Self { shutdown: Shutdown::new(), ..self.clone() }
    }

    /// The way to another service. Nothing is dialled yet: it may start later than this one.
    ///
    /// # Errors
    /// A target that makes no sense.
    pub fn channel(&self, target: &Target) -> Result<Channel, ChannelError> {
        Channel::builder(target.as_str()).memory(&self.memory).build()
    }

    /// Listens where `rpc` says. While it serves, the services of the same process find it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(
        &self,
        server: ServerBuilder,
        rpc: &RpcConfig,
    ) -> Result<BoundServer, ServerError> {
        let server = server.register(self.memory.clone());
        let server = match rpc.advertise {
            Some(advertise) => server.advertise(advertise),
            None => server,
        };
        server.bind(rpc.listen).await
    }
}
