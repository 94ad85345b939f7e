//! Tests of a client's connection against servers that behave oddly.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Context as TaskContext;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf};

use super::*;
use crate::ServiceDescriptor;

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["M"] };

fn terms() -> Terms {
    Terms {
        peer: Peer::new(([127, 0, 0, 1], 1).into()),
        offer: Offer::default(),
        token: None,
        keepalive: Duration::from_secs(1),
        ended: Arc::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_take_a_large_request_is_not_dead() {
    const STEP_BYTES: usize = 64 * 1024;
    let (mut server, io) = tokio::io::duplex(STEP_BYTES);
    let connection = Connection::new(io, terms());
    let serving = tokio::spawn(async move {
        let mut taken = 0;
        while taken < 32 * STEP_BYTES {
            tokio::time::sleep(Duration::from_millis(500)).await;
            taken += server.read(&mut vec![0; STEP_BYTES]).await.unwrap();
        }
        // The answer to call 0: an empty head, no message.
        server.write_all(b"\x01\0\0\0\x03\x01\0\0\0\0\0\0\0").await.unwrap();
        server.read_to_end(&mut Vec::new()).await
    });
    let request = Request {
        service: &SERVICE,
        index: 0,
        method: 0,
        deadline: Instant::now() + Duration::from_secs(60),
        metadata: None,
        timing: None,
    };
    connection.call(request, &vec![7_u8; 32 * STEP_BYTES], None).await.unwrap();
    drop(connection);
    serving.await.unwrap().unwrap();
}

/// A stream that looks, whenever it is written to, whether the driver is said to sleep.
struct Watched {
    io: DuplexStream,
    shared: Arc<OnceLock<Arc<Shared>>>,
    /// How often it was written to since it could look, and how often it was said to sleep then.
    seen: Arc<Mutex<(usize, usize)>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(shared) = self.shared.get() {
            let mut seen = self.seen.lock().unwrap();
            seen.0 += 1;
            seen.1 += usize::from(shared.lock().asleep.is_some());
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Else those who call meanwhile on other threads wake it for nothing.
#[tokio::test(start_paused = true)]
async fn a_driver_that_the_socket_or_the_clock_woke_is_not_said_to_sleep() {
    let (mut server, io) = tokio::io::duplex(64 * 1024);
    let (shared, seen) = (Arc::new(OnceLock::new()), Arc::default());
    let watched = Watched { io, shared: Arc::clone(&shared), seen: Arc::clone(&seen) };
    let connection = Connection::new(watched, terms());
    shared.set(Arc::clone(connection.shared())).unwrap();
    // Its preface, then the answer to a PING, then a PING of its own.
    for ping in [&b""[..], b"\0\0\0\0\x05\0\0\0\0\0\0\0", b""] {
        server.write_all(ping).await.unwrap();
        assert_ne!(server.read(&mut [0; 1024]).await.unwrap(), 0);
    }
    let (writes, asleep) = *seen.lock().unwrap();
    assert!(writes >= 3 && asleep == 0, "{asleep} of {writes}");
}
