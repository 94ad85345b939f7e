//! What a service is given.

use std::net::SocketAddr;

use mprpc::discovery::{Memory, ZooKeeper};
use mprpc::{BoundServer, Channel, ChannelError, ServerBuilder, ServerError};

use super::{Shutdown, Trust};
use crate::{Clock, Readiness, RpcConfig, Target};

/// What every service's `start` takes besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct Deps {
    /// In-process discovery: where services of the same process find each other (`memory://`).
    pub memory: Memory,
    /// The registry that the process shares with others (`zk://`), if one is configured.
    pub zookeeper: Option<ZooKeeper>,
    /// Who may call, and what those who are called are shown.
    pub trust: Trust,
    /// The name that this service registers under; empty: the address that it advertises.
    pub instance_id: String,
    /// Where a service says what it depends on, and whether that is there.
    pub readiness: Readiness,
    /// Where the process answers those who watch it, for whoever tells people.
    pub admin: Option<SocketAddr>,
    /// When this service is to finish. Each service of a process has its own, so that they can be
    /// stopped in order.
    pub shutdown: Shutdown,
    /// The wall clock.
    pub clock: Clock,
}

impl Deps {
    /// The system's clock and a shutdown of its own, over this process's discovery.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// The same dependencies for one of several services of a process: with a shutdown of its own,
    /// and a name of its own where the process has one, since no two servers may share a name.
    #[must_use]
    pub fn for_service(&self, service: &str) -> Self {
        let instance_id = match self.instance_id.as_str() {
            "" => String::new(),
            process => format!("{process}-{service}"),
        };
        Self { shutdown: Shutdown::new(), instance_id, ..self.clone() }
    }

    /// The way to another service. Nothing is dialled yet: it may start later than this one.
    ///
    /// # Errors
    /// A target that makes no sense.
    pub fn channel(&self, target: &Target) -> Result<Channel, ChannelError> {
        let channel = self.trust.show(Channel::builder(target.as_str())).memory(&self.memory);
        let channel = match &self.zookeeper {
            Some(zookeeper) => channel.zookeeper(zookeeper),
            // The configuration's check names the key; this is for those who start without one.
            None if target.is_zookeeper() => {
                return Err(ChannelError::Target {
                    target: target.to_string(),
                    reason: "no ZooKeeper is configured: set `zookeeper.hosts`".to_owned(),
                });
            }
            None => channel,
        };
        channel.build()
    }

    /// Listens where `rpc` says. While it serves, the services of the same process find it, and
    /// those of others through ZooKeeper, if the process has one. Calls are taken of those whom the
    /// process [trusts](Trust).
    ///
    /// A name that another live instance has shows only once it serves: `serve` ends with
    /// [`mprpc::ServeError`].
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(
        &self,
        server: ServerBuilder,
        rpc: &RpcConfig,
    ) -> Result<BoundServer, ServerError> {
        let mut server = self.trust.guard(server).register(self.memory.clone());
        if let Some(zookeeper) = &self.zookeeper {
            server = server.register(zookeeper.clone());
        }
        if let Some(advertise) = rpc.advertise {
            server = server.advertise(advertise);
        }
        if !self.instance_id.is_empty() {
            server = server.instance_id(&self.instance_id);
        }
        let server = server.bind(rpc.listen).await?;
        let addr = server.local_addr();
        if !addr.ip().is_loopback() && !self.trust.asks() {
            tracing::warn!(
                %addr,
                "listens beyond this machine, and whoever reaches it can call it: set \
                 `service.token_file` or `[service.tls]`, or keep it in a trusted network"
            );
        }
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_one_process_have_names_of_their_own() {
        let process = Deps { instance_id: "blue".to_owned(), ..Deps::default() };
        assert_eq!(process.for_service("user").instance_id, "blue-user");
        assert_eq!(Deps::default().for_service("user").instance_id, "");
    }

    #[test]
    fn a_target_in_zookeeper_without_one_names_the_key_that_is_missing() {
        let target = Target::try_from("zk://".to_owned()).unwrap();
        let error = Deps::default().channel(&target).err().unwrap().to_string();
        assert!(error.contains("zookeeper.hosts"), "{error}");
    }
}
