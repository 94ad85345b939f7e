//! Calls whose messages are compressed, seen by their bytes on the way.
//!
//! The server under test takes compressed messages, and compresses its own from a kilobyte or so on.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::failure::{Failure, equal};
use super::streams::{ANSWERS, REQUESTS, asking, zeros};
use super::unary::{LARGE_ANSWER_BYTES, LARGE_REQUEST_BYTES, large};
use super::{Peer, call};
use crate::{SimpleRequest, test_service};

/// From how many bytes on the client compresses.
const ABOVE: usize = 1024;

/// Bytes that went each way.
#[derive(Debug, Default)]
struct Passed {
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// A client that compresses, and how much it says and is told. Ends with its case.
struct Way {
    client: test_service::Client,
    passed: Arc<Passed>,
    _tasks: JoinSet<()>,
}

impl Way {
    async fn to(peer: &Peer, above: Option<usize>) -> Result<Self, Failure> {
        let address = peer.address().ok_or_else(|| Failure::new("needs a target static://"))?;
        let io = |error: std::io::Error| Failure::new(error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io)?;
        let before = format!("static://{}", listener.local_addr().map_err(io)?);
        let passed = Arc::new(Passed::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(stand_between(listener, address.to_owned(), Arc::clone(&passed)));
        let client = match above {
            Some(above) => peer.compressing(&before, above),
            None => peer.behind(&before),
        };
        let client = client.map_err(|error| Failure::new(error.to_string()))?.client();
        Ok(Self { client, passed, _tasks: tasks })
    }

    /// Whether what was said, or told, had far less bytes than the messages.
    fn was_short(&self, what: &str, passed: &AtomicU64, messages: u64) -> Result<(), Failure> {
        let bytes = passed.load(Ordering::Relaxed);
        if bytes < messages / 4 {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{what} of {messages} bytes took {bytes}, and were to be compressed"
        )))
    }
}

/// Hands connections on, and counts their bytes.
async fn stand_between(listener: TcpListener, address: String, passed: Arc<Passed>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (address, passed) = (address.clone(), Arc::clone(&passed));
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(address).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                pass(from_client, to_server, &passed.to_server),
                pass(from_server, to_client, &passed.to_client),
            );
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passed: &AtomicU64,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        passed.fetch_add(bytes as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

pub(super) async fn client_compressed_unary(peer: Peer) -> Result<(), Failure> {
    let way = Way::to(&peer, Some(ABOVE)).await?;
    let payload = vec![0; LARGE_REQUEST_BYTES].into();
    let request = SimpleRequest { payload, ..SimpleRequest::default() };
    let answer = way.client.unary_call(&call(), request).await?;
    equal("the size of the request", answer.request_size as usize, LARGE_REQUEST_BYTES)?;
    way.was_short("a request", &way.passed.to_server, LARGE_REQUEST_BYTES as u64)?;
    // On the same connection, one that is as it is.
    let request = SimpleRequest { payload: vec![0; 8].into(), ..SimpleRequest::default() };
    let answer = way.client.unary_call(&call(), request).await?;
    equal("the size of a short request", answer.request_size, 8)
}

pub(super) async fn server_compressed_unary(peer: Peer) -> Result<(), Failure> {
    let way = Way::to(&peer, Some(ABOVE)).await?;
    large(way.client.clone(), vec![0; LARGE_REQUEST_BYTES].into()).await?;
    way.was_short("an answer", &way.passed.to_client, LARGE_ANSWER_BYTES.into())?;
    // Who does not ask for it gets none.
    let way = Way::to(&peer, None).await?;
    large(way.client.clone(), vec![0; LARGE_REQUEST_BYTES].into()).await?;
    let bytes = way.passed.to_client.load(Ordering::Relaxed);
    if bytes < LARGE_ANSWER_BYTES.into() {
        return Err(Failure::new(format!(
            "{bytes} bytes came, and no compressed ones were wanted"
        )));
    }
    Ok(())
}

pub(super) async fn client_compressed_streaming(peer: Peer) -> Result<(), Failure> {
    let way = Way::to(&peer, Some(ABOVE)).await?;
    let (mut requests, answer) = way.client.streaming_input_call(&call()).await?;
    for size in REQUESTS {
        requests.send(zeros(size)).await?;
    }
    requests.finish();
    let size = REQUESTS.iter().sum::<usize>() as u64;
    equal("what came in all", answer.await?.total_size, size)?;
    way.was_short("requests", &way.passed.to_server, size)
}

pub(super) async fn server_compressed_streaming(peer: Peer) -> Result<(), Failure> {
    let way = Way::to(&peer, Some(ABOVE)).await?;
    let mut answers = way.client.streaming_output_call(&call(), asking(&ANSWERS)).await?;
    let mut sizes = Vec::new();
    while let Some(answer) = answers.next().await? {
        sizes.push(answer.payload.len());
    }
    equal("the sizes of the answers", sizes, ANSWERS.map(|size| size as usize).to_vec())?;
    way.was_short(
        "answers",
        &way.passed.to_client,
        ANSWERS.iter().map(|size| u64::from(*size)).sum(),
    )
}
