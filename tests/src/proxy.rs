//! A way between two programs that can be made bad: slow, shut in one direction or both, torn.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::free_address;

/// As much as is passed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// How a proxy treats what goes one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// It passes.
    #[default]
    Open,
    /// It passes after this time, and at most twice that when there is much of it.
    Late(Duration),
    /// It waits, and both ends believe that the other is only slow. Nothing is lost: TCP loses
    /// nothing as long as a connection lives.
    Shut,
}

/// How a proxy behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conduct {
    /// From who connected.
    up: Passage,
    /// To who connected.
    down: Passage,
    /// New connections are torn.
    refuses: bool,
    /// Connections that began under a smaller number are torn.
    torn: u64,
    /// Connections that began under a smaller number are told that the server will say no more,
    /// and pass on what goes to it.
    half_closed: u64,
    /// Of connections that began under a smaller number, the server is told that its client will say
    /// no more, and what the server still says is passed on.
    parted: u64,
}

/// What is waited for on its way to the server.
#[derive(Debug)]
struct Trap {
    text: Vec<u8>,
    /// Whether it still reaches the server.
    arrives: bool,
    sprung: oneshot::Sender<()>,
}

type Traps = Arc<Mutex<Option<Trap>>>;

/// Listens, and passes on what it gets to a server and back. Ends when it is dropped, with all
/// connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    trap: Traps,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// At an address of its own, to a server.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn to(server: SocketAddr) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).await.expect("nobody else has the address");
        let (conduct, watched) = watch::channel(Conduct::default());
        let trap = Traps::default();
        let accepting = tokio::spawn(accept(listener, server, watched, Arc::clone(&trap)));
        Self { address, conduct, trap, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Treats what goes to the server and what comes from it, on all connections, from now on.
    pub fn treat(&self, up: Passage, down: Passage) {
        self.conduct.send_modify(|conduct| (conduct.up, conduct.down) = (up, down));
    }

    /// Tears all connections, and those that are tried while it `refuses`.
    pub fn tear(&self, refuses: bool) {
        self.conduct.send_modify(|conduct| {
            conduct.torn += 1;
            conduct.refuses = refuses;
        });
    }

    /// Who is connected reads an end, while what they write still arrives.
    pub fn half_close(&self) {
        self.conduct.send_modify(|conduct| conduct.half_closed += 1);
    }

    /// Ends all connections, and tears those that are tried while it `refuses`. What a server was told
    /// has arrived does arrive: the acknowledgements of TCP that it gets are this proxy's.
    pub fn part(&self, refuses: bool) {
        self.conduct.send_modify(|conduct| {
            conduct.parted += 1;
            conduct.refuses = refuses;
        });
    }

    /// Tears the next connection on which a request with this text comes: before the server has it, or
    /// when it `arrives` there, so that the answer is lost. Says when that has happened.
    pub fn tear_at(&self, text: &str, arrives: bool) -> oneshot::Receiver<()> {
        let (sprung, springs) = oneshot::channel();
        let trap = Trap { text: text.as_bytes().to_vec(), arrives, sprung };
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(trap);
        springs
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.conduct.send_modify(|conduct| {
            (conduct.up, conduct.down) = Default::default();
            conduct.refuses = false;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    conduct: watch::Receiver<Conduct>,
    trap: Traps,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(serve(client, server, conduct.clone(), Arc::clone(&trap)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until it ends or is torn.
async fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    mut conduct: watch::Receiver<Conduct>,
    trap: Traps,
) -> io::Result<()> {
    let began = *conduct.borrow_and_update();
    let server = match began.refuses {
        false => TcpStream::connect(server).await,
        true => Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let Ok(mut server) = server else {
        return client.set_zero_linger();
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (up, down) = (conduct.clone(), conduct.clone());
    let (mut halves, mut parts) = (conduct.clone(), conduct.clone());
    let passed = {
        let (from_client, mut to_client) = client.split();
        let (from_server, mut to_server) = server.split();
        let upwards = async {
            tokio::select! {
                passed = pass(from_client, &mut to_server, up, |conduct| conduct.up, Some(&trap)) => passed,
                () = becomes(&mut parts, |conduct| conduct.parted > began.parted) => {
                    to_server.shutdown().await
                }
            }
        };
        let downwards = async {
            tokio::select! {
                passed = pass(from_server, &mut to_client, down, |conduct| conduct.down, None) => passed,
                () = becomes(&mut halves, |conduct| conduct.half_closed > began.half_closed) => {
                    to_client.shutdown().await
                }
            }
        };
        tokio::select! {
            passed = async { tokio::try_join!(upwards, downwards) } => passed.map(|_| ()),
            () = becomes(&mut conduct, |conduct| conduct.torn > began.torn) => Err(torn()),
        }
    };
    if passed.is_err() {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// Waits for a conduct.
async fn becomes(conduct: &mut watch::Receiver<Conduct>, which: impl Fn(&Conduct) -> bool) {
    // Without its proxy a connection ends, too.
    let _ = conduct.wait_for(|conduct| which(conduct)).await;
}

fn torn() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// Passes on one way until there is an end, which is passed on, too.
async fn pass(
    mut from: ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut conduct: watch::Receiver<Conduct>,
    of: impl Fn(&Conduct) -> Passage,
    trap: Option<&Traps>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        // Also an end is not heard of while nothing passes.
        becomes(&mut conduct, |conduct| of(conduct) != Passage::Shut).await;
        let passage = of(&conduct.borrow());
        if let Passage::Late(by) = passage {
            sleep(by).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        let Some(trap) = trap.and_then(|trap| sprung(trap, &chunk[..read])) else {
            to.write_all(&chunk[..read]).await?;
            continue;
        };
        if trap.arrives {
            to.write_all(&chunk[..read]).await?;
        }
        // Who waits for it may have given up.
        let _ = trap.sprung.send(());
        return Err(torn());
    }
}

/// The trap, if this springs it.
fn sprung(traps: &Traps, chunk: &[u8]) -> Option<Trap> {
    let mut trap = traps.lock().unwrap_or_else(PoisonError::into_inner);
    let text = &trap.as_ref()?.text;
    chunk.windows(text.len()).any(|part| part == text.as_slice()).then(|| trap.take())?
}
