//! People who harm others, or would like to: many of them, for as long as they are let.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::interval;

/// Connections that are slow.
const SLOW: usize = 300;
/// Connections that do something all the time.
const BUSY: usize = 8;
/// Between two bytes of who is slow.
const DRIP: Duration = Duration::from_millis(50);
/// Between two connections of who comes back.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a gateway listens.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the protocols")]
pub struct Doors {
    pub text: SocketAddr,
    pub frames: SocketAddr,
    pub http: SocketAddr,
}

/// What somebody does to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abuse {
    /// Lines, frames, heads and bodies that never end, a byte at a time.
    SlowSenders,
    /// They ask for much and read nothing of it.
    SlowReaders,
    /// Requests that are refused, each as soon as the one before was.
    Flood,
    /// Guesses at one password, each as soon as the one before was refused.
    Guesses,
    /// They connect, say something, leave, and are there again.
    Reconnects,
}

impl Abuse {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SlowSenders, Self::SlowReaders, Self::Flood, Self::Guesses, Self::Reconnects];

    /// Its name, for the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowSenders => "slow-senders",
            Self::SlowReaders => "slow-readers",
            Self::Flood => "flood",
            Self::Guesses => "guesses",
            Self::Reconnects => "reconnects",
        }
    }

    /// Begins it.
    pub fn begin(self, doors: Doors) -> Crowd {
        let mut crowd = Crowd::default();
        let Doors { text, frames, http } = doors;
        let post = "POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        match self {
            Self::SlowSenders => {
                let begun = [
                    (text, b"LOGIN somebody ".to_vec()),
                    (frames, vec![0, 0, 255, 0, 3, 233, 1, 0]),
                    (http, b"GET /api/me HTTP/1.1\r\nhost: x\r\nx-slow: ".to_vec()),
                    (http, format!("{post}content-length: 60000\r\n\r\n\"").into_bytes()),
                ];
                crowd.add(SLOW, &begun, drip);
            }
            Self::SlowReaders => {
                let document = b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
                let begun = [(http, document), (text, b"HELP\n".repeat(100_000))];
                crowd.add(SLOW / 10, &begun, is_deaf);
            }
            Self::Flood => {
                let body = br#"{"op":"friends"}"#;
                let frame = [&[0, 0, 0, 24, 15, 161, 1, 0][..], body].concat();
                let bearer = "GET /api/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n\r\n";
                let asked = [
                    (text, b"SEND 1 not logged in\n".to_vec()),
                    (frames, frame),
                    (http, bearer.as_bytes().to_vec()),
                ];
                crowd.add(BUSY, &asked, asks_again);
            }
            Self::Guesses => {
                let body = r#"{"username":"somebody","password":"a guess"}"#;
                let post = format!("{post}content-length: {}\r\n\r\n{body}", body.len());
                let asked =
                    [(text, b"LOGIN somebody a guess\n".to_vec()), (http, post.into_bytes())];
                crowd.add(BUSY, &asked, asks_again);
            }
            Self::Reconnects => {
                let upgrade = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
                let heartbeat = vec![0, 0, 0, 10, 35, 42, 1, 0, b'{', b'}'];
                let said = [
                    (text, b"PING\n".to_vec()),
                    (frames, heartbeat),
                    (http, upgrade.as_bytes().to_vec()),
                ];
                crowd.add(BUSY, &said, comes_back);
            }
        }
        crowd
    }
}

/// Those who do it; they go when it is dropped.
#[derive(Debug, Default)]
pub struct Crowd {
    people: JoinSet<()>,
    counts: Arc<Counts>,
}

/// What a crowd has done so far.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    answers: AtomicU64,
}

impl Crowd {
    /// How often one of them was connected, and how often something was answered.
    pub fn counts(&self) -> (u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (of(&self.counts.connections), of(&self.counts.answers))
    }

    /// So many more, who take these in turn and come back whenever they are cut off.
    fn add<F>(
        &mut self,
        count: usize,
        doors: &[(SocketAddr, Vec<u8>)],
        acts: fn(TcpStream, Vec<u8>, Arc<Counts>) -> F,
    ) where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        for (address, bytes) in doors.iter().cycle().take(count).cloned() {
            let counts = Arc::clone(&self.counts);
            self.people.spawn(async move {
                let mut again = interval(PAUSE);
                loop {
                    again.tick().await;
                    if let Ok(stream) = connected(address).await {
                        counts.connections.fetch_add(1, Ordering::Relaxed);
                        // However it ended: there is a next time.
                        let _ = acts(stream, bytes.clone(), Arc::clone(&counts)).await;
                    }
                }
            });
        }
    }
}

/// A connection that its system takes little for.
async fn connected(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    socket.connect(address).await
}

/// Ends when it is cut off.
async fn drip(mut stream: TcpStream, first: Vec<u8>, _: Arc<Counts>) -> std::io::Result<()> {
    let mut drip = interval(DRIP);
    stream.write_all(&first).await?;
    loop {
        drip.tick().await;
        stream.write_all(b"x").await?;
    }
}

/// Ends when it is cut off, which shows in what is still to be written.
async fn is_deaf(mut stream: TcpStream, asked: Vec<u8>, _: Arc<Counts>) -> std::io::Result<()> {
    loop {
        stream.write_all(&asked).await?;
    }
}

async fn asks_again(
    mut stream: TcpStream,
    asked: Vec<u8>,
    counts: Arc<Counts>,
) -> std::io::Result<()> {
    let mut answer = [0; 4_096];
    loop {
        stream.write_all(&asked).await?;
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
        counts.answers.fetch_add(1, Ordering::Relaxed);
    }
}

async fn comes_back(
    mut stream: TcpStream,
    said: Vec<u8>,
    counts: Arc<Counts>,
) -> std::io::Result<()> {
    stream.write_all(&said).await?;
    if stream.read(&mut [0; 4_096]).await? > 0 {
        counts.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
