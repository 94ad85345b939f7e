//! Who listens under which name, and what is wrong between here and there.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Pipe;
use super::link::{Link, Weather};
use crate::Address;

/// How many connections wait to be accepted; one past that is refused. As the kernel's.
const BACKLOG: usize = 1024;

/// A way in which bytes do not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// Neither way.
    Both,
    /// What clients send does not reach the server.
    ToServer,
    /// What the server sends does not reach its clients.
    FromServer,
}

/// A network within this process: names to listen under, and faults between clients and them.
///
/// Cheap to clone; clones are the same network. See the [module](super) for a test that uses one.
/// Channels and servers that are given none share one of the process.
///
/// A fault belongs to a name, and holds for the connections that are there and for those to come,
/// until it is [healed](Self::heal). It makes no difference whether anybody listens there yet.
#[derive(Clone, Debug, Default)]
pub struct Network(Arc<Mutex<Names>>);

#[derive(Debug, Default)]
struct Names {
    places: HashMap<Arc<str>, Place>,
    /// How many connections there ever were: callers are named by it.
    connections: u64,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Place {
    listener: Option<mpsc::Sender<(Pipe, Address)>>,
    condition: watch::Sender<Condition>,
    links: Vec<Weak<Link>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    weather: Weather,
    /// Whether connections can be made, or are refused, or take for ever.
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Crashed,
    Cut,
}

impl Network {
    /// A network of its own, on which nobody listens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The one that is used where none was given.
    pub(crate) fn of_process() -> Self {
        static NETWORK: LazyLock<Network> = LazyLock::new(Network::new);
        NETWORK.clone()
    }

    /// `local:name`, for a server to listen on and a registry to list.
    #[must_use]
    pub fn address(&self, name: &str) -> Address {
        Address::Local(name.into())
    }

    /// Lets no bytes through between clients and `name`. They are held up rather than lost, as TCP
    /// would send them again. New connections cannot be made meanwhile, and are not refused.
    pub fn partition(&self, name: &str, partition: Partition) {
        let held = match partition {
            Partition::Both => [true, true],
            Partition::ToServer => [true, false],
            Partition::FromServer => [false, true],
        };
        self.change(name, |condition| {
            condition.weather.held = held;
            condition.fault = Some(Fault::Cut);
        });
    }

    /// As a process that is stopped: connections to `name` are accepted, as the kernel would, and
    /// nothing is ever said on them. Its timers go on, unlike those of a real one.
    pub fn freeze(&self, name: &str) {
        self.change(name, |condition| {
            condition.weather.held = [true, true];
            condition.fault = None;
        });
    }

    /// As a process that dies: breaks the connections of `name`, and refuses new ones.
    pub fn crash(&self, name: &str) {
        self.change(name, |condition| {
            condition.weather.held = [false, false];
            condition.fault = Some(Fault::Crashed);
        });
    }

    /// The time that bytes take, either way, between clients and `name`; none unless it is set.
    pub fn latency(&self, name: &str, latency: Duration) {
        self.change(name, |condition| condition.weather.latency = latency);
    }

    /// Ends a partition, a freeze or a crash. Latency stays.
    pub fn heal(&self, name: &str) {
        self.change(name, |condition| {
            condition.weather.held = [false, false];
            condition.fault = None;
        });
    }

    /// How many connections to `name` are open, at both ends.
    #[must_use]
    pub fn connections(&self, name: &str) -> usize {
        let names = self.names();
        let links = names.places.get(name).into_iter().flat_map(|place| &place.links);
        links.filter_map(Weak::upgrade).filter(|link| link.is_open()).count()
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Condition)) {
        let mut names = self.names();
        let place = names.places.entry(name.into()).or_default();
        place.condition.send_modify(change);
        let condition = *place.condition.borrow();
        for link in place.links.iter().filter_map(Weak::upgrade) {
            link.set(condition.weather);
            if condition.fault == Some(Fault::Crashed) {
                link.reset();
            }
        }
    }

    /// Listens under `name` until the listener is dropped.
    pub(crate) fn listen(&self, name: &Arc<str>) -> io::Result<Listener> {
        let (sender, connections) = mpsc::channel(BACKLOG);
        let mut names = self.names();
        let place = names.places.entry(Arc::clone(name)).or_default();
        if place.listener.as_ref().is_some_and(|listener| !listener.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        place.listener = Some(sender);
        Ok(Listener { connections })
    }

    /// Connects to whoever listens under `name`; pending while that cannot be known.
    pub(crate) async fn connect(&self, name: &Arc<str>) -> io::Result<Pipe> {
        let mut condition = {
            let mut names = self.names();
            names.places.entry(Arc::clone(name)).or_default().condition.subscribe()
        };
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        loop {
            let latency = {
                let open = |condition: &Condition| condition.fault != Some(Fault::Cut);
                condition.wait_for(open).await.map_err(gone)?.weather.latency
            };
            // There and back, before anything can be sent.
            if !latency.is_zero() {
                tokio::time::sleep(latency * 2).await;
            }
            if let Some(outcome) = self.admit(name) {
                return outcome;
            }
        }
    }

    /// Makes a connection, or refuses it; nothing if the place has been cut off meanwhile.
    fn admit(&self, name: &Arc<str>) -> Option<io::Result<Pipe>> {
        let names = &mut *self.names();
        let place = names.places.get_mut(name)?;
        let condition = *place.condition.borrow();
        let refused = || Some(Err(io::ErrorKind::ConnectionRefused.into()));
        match (condition.fault, &place.listener) {
            (Some(Fault::Cut), _) => None,
            (None, Some(listener)) => {
                let link = Link::new(condition.weather);
                let [client, server] = link.ends();
                names.connections += 1;
                let caller = Address::Local(format!("caller-{}", names.connections).into());
                if listener.try_send((server, caller)).is_err() {
                    return refused();
                }
                place.links.retain(|link| link.strong_count() > 0);
                place.links.push(Arc::downgrade(&link));
                Some(Ok(client))
            }
            (Some(Fault::Crashed), _) | (None, None) => refused(),
        }
    }
}

/// Takes in the connections to a name.
#[derive(Debug)]
pub(crate) struct Listener {
    connections: mpsc::Receiver<(Pipe, Address)>,
}

impl Listener {
    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&mut self) -> (Pipe, Address) {
        match self.connections.recv().await {
            Some(accepted) => accepted,
            // Not while the name stands in a network, and without one nobody comes.
            None => std::future::pending().await,
        }
    }

    /// A connection that has come already. No more come once this was called.
    pub(crate) fn accept_last(&mut self) -> Option<(Pipe, Address)> {
        self.connections.close();
        self.connections.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn name() -> Arc<str> {
        "echo".into()
    }

    #[tokio::test]
    async fn a_name_belongs_to_one_listener_until_it_is_dropped() {
        let network = Network::new();
        let refused = |outcome: io::Result<Pipe>| outcome.unwrap_err().kind();
        assert_eq!(refused(network.connect(&name()).await), io::ErrorKind::ConnectionRefused);
        let first = network.listen(&name()).unwrap();
        assert_eq!(network.listen(&name()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        network.connect(&name()).await.unwrap();
        drop(first);
        assert_eq!(refused(network.connect(&name()).await), io::ErrorKind::ConnectionRefused);
        network.listen(&name()).unwrap();
        assert!(Network::new().connect(&name()).await.is_err(), "another network");
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_keeps_connections_from_being_made_until_it_is_healed() {
        let network = Network::new();
        let mut listener = network.listen(&name()).unwrap();
        network.partition("echo", Partition::ToServer);
        assert!(timeout(HOUR, network.connect(&name())).await.is_err());
        let connecting = tokio::spawn({
            let network = network.clone();
            async move { network.connect(&name()).await }
        });
        tokio::task::yield_now().await;
        network.heal("echo");
        let mut client = connecting.await.unwrap().unwrap();
        let (mut server, _) = listener.accept().await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        assert_eq!(network.connections("echo"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_place_accepts_and_says_nothing_and_a_crashed_one_resets_and_refuses() {
        let network = Network::new();
        let mut listener = network.listen(&name()).unwrap();
        network.freeze("echo");
        let mut client = network.connect(&name()).await.unwrap();
        let (mut server, _) = listener.accept().await;
        server.write_all(b"x").await.unwrap();
        assert!(timeout(HOUR, client.read_u8()).await.is_err());
        network.crash("echo");
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let refused = network.connect(&name()).await.unwrap_err().kind();
        assert_eq!(refused, io::ErrorKind::ConnectionRefused);
        network.heal("echo");
        network.connect(&name()).await.unwrap();
    }
}
