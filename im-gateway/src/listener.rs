//! A listener for clients: who gets in.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use im_common::{InUse, Shutdown};
use im_wire::closing;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use crate::accepting::{Refusals, accept};
use crate::connection::{Connection, Control};
use crate::doorman::{Doorman, Place};
use crate::entry::{ClientStream, Denied, Entry};
use crate::gateway::Gateway;
use crate::socket::Socket;
use crate::wire::{Speaks, Wire};

/// Questions of TCP to a silent client, this far apart, before it counts as gone.
const KEEPALIVE_RETRIES: u32 = 3;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts connections of one protocol, or takes those that others have accepted.
pub(crate) struct Listener {
    speaks: Speaks,
    gateway: Arc<Gateway>,
    controls: Arc<Controls>,
    doorman: Doorman,
    refusals: Refusals,
    number: AtomicU64,
}

/// The connections, to tell them to end.
#[derive(Debug, Default)]
struct Controls {
    listed: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    by_number: HashMap<u64, Arc<Control>>,
    /// All of them were told to end; so is whoever comes later.
    shutdown: Option<&'static str>,
}

impl Listener {
    pub(crate) fn new(speaks: Speaks, gateway: Arc<Gateway>) -> Self {
        let places = speaks.connections_max(&gateway.config);
        let address_max = gateway.config.limits.address_connections_max;
        let refusals = Refusals::new(Arc::clone(&gateway));
        let doorman = Doorman::new(places, address_max, Arc::clone(&gateway.limits));
        Self {
            speaks,
            gateway,
            controls: Arc::default(),
            doorman,
            refusals,
            number: AtomicU64::new(0),
        }
    }

    /// Accepts until the shutdown, then lets all connections end. They are tasks of their own.
    pub(crate) async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        entry: Entry,
        shutdown: Shutdown,
    ) {
        accept(listener, &shutdown, |stream, from| {
            if entry.is_open() {
                self.take(ClientStream::Plain(stream), from.ip(), &[]);
            } else {
                self.let_in(stream, from, entry.clone(), &shutdown);
            }
        })
        .await;
        self.controls.shut_down(closing::SHUTTING_DOWN);
    }

    /// Lets all connections end once the shutdown is triggered. For one that accepts none itself.
    pub(crate) async fn until(self: Arc<Self>, shutdown: Shutdown) {
        shutdown.triggered().await;
        self.controls.shut_down(closing::SHUTTING_DOWN);
    }

    /// Serves a connection that comes from there, of which this was read already, or refuses it if there
    /// is no place.
    pub(crate) fn take(&self, stream: ClientStream, from: IpAddr, read: &[u8]) {
        match self.doorman.admit(from) {
            Some(place) => self.serve(stream, from, read, place),
            None => {
                tracing::debug!("a connection was refused: there is no place");
                self.speaks.refused().increment(1);
                self.refusals.say(stream, self.speaks.full());
            }
        }
    }

    /// Lets a connection in that has something to show first, which has a place from now on.
    fn let_in(
        self: &Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        entry: Entry,
        shutdown: &Shutdown,
    ) {
        let peer = from.ip();
        let is_brought = entry.proxies().has(peer);
        let admitted = match is_brought {
            true => self.doorman.admit_brought(),
            false => self.doorman.admit(peer),
        };
        let Some(place) = admitted else {
            // It could only be told after the handshake, which is what costs.
            self.speaks.refused().increment(1);
            return;
        };
        let (listener, shutdown) = (Arc::clone(self), shutdown.clone());
        let coming_in = async move {
            let entered = tokio::select! {
                entered = entry.enter(stream, from) => entered,
                () = shutdown.triggered() => return,
            };
            match entered {
                Ok((stream, from)) => {
                    tracing::debug!(%from, "a client came in");
                    let known = match is_brought {
                        true => listener.doorman.known(place, from.ip()),
                        false => Some(place),
                    };
                    match known {
                        Some(place) => listener.serve(stream, from.ip(), &[], place),
                        None => listener.speaks.refused().increment(1),
                    }
                }
                Err(Denied::Plain(stream)) => {
                    let words = listener.speaks.closing("TLS is spoken here");
                    listener.refusals.say(ClientStream::Plain(stream), words);
                }
                Err(Denied::Gone(_)) => {}
            }
        };
        self.gateway.spawn_for_client("entry", Box::pin(coming_in));
    }

    fn serve(&self, stream: ClientStream, from: IpAddr, read: &[u8], place: Place) {
        if let Err(error) = prepare(stream.tcp(), self.speaks.keepalive(&self.gateway.config)) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let mut wire = self.speaks.wire(&self.gateway.config);
        wire.receive(read);
        self.open(Socket::from(stream), Some(from), wire, place);
    }

    /// Serves a connection that has its place, whatever it came by, and keeps that for as long.
    pub(crate) fn open(
        &self,
        socket: Socket,
        from: Option<IpAddr>,
        wire: Wire,
        place: impl Send + 'static,
    ) {
        let control = Arc::new(Control::default());
        let listed = self.controls.list(self.number.fetch_add(1, Ordering::Relaxed), &control);
        let held = (place, InUse::of(wire.connections()), listed);
        // Boxed: each wrapper around it would hold it twice, while it waits for it and before.
        let gateway = Arc::clone(&self.gateway);
        let connection = Box::new(Connection::new(gateway, control, socket, from, wire));
        let connection = Box::pin(connection.run());
        self.gateway.spawn_for_client("connection", connection.map(move |()| drop(held)));
    }
}

fn prepare(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    // Replies and pushes are small and are waited for.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(keepalive)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl Controls {
    fn list(self: &Arc<Self>, number: u64, control: &Arc<Control>) -> Listed {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.by_number.insert(number, Arc::clone(control));
        if let Some(reason) = listed.shutdown {
            control.shut_down(reason);
        }
        Listed { controls: Arc::clone(self), number }
    }

    fn shut_down(&self, reason: &'static str) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.shutdown = Some(reason);
        listed.by_number.values().for_each(|control| control.shut_down(reason));
    }
}

/// A connection's place among the controls; it leaves when this is dropped.
struct Listed {
    controls: Arc<Controls>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut listed = self.controls.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_after_all_were_told_to_end_is_told_so_too() {
        let controls = Arc::<Controls>::default();
        let (before, after) = (Arc::<Control>::default(), Arc::<Control>::default());
        let _before = controls.list(1, &before);
        controls.shut_down(closing::SHUTTING_DOWN);
        let listed = controls.list(2, &after);
        for control in [&before, &after] {
            assert_eq!(control.reason(), Some(closing::SHUTTING_DOWN));
        }
        drop(listed);
        assert_eq!(controls.listed.lock().unwrap().by_number.len(), 1);
    }
}
