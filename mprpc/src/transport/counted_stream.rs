//! A connection whose bytes are counted, and whose peer is cut off when it takes none of them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use metrics::{Counter, counter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::UNTAKEN_MAX;
use super::stream::Stream;

/// Counts what goes over a connection. The counters belong to the recorder that is installed when
/// it is made.
pub(crate) struct CountedStream {
    stream: Stream,
    sent: Counter,
    received: Counter,
    /// While it takes nothing: the time for that. The kernel knows a bound for TCP only.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl CountedStream {
    /// A channel's connection.
    pub(crate) fn of_client(stream: Stream) -> Self {
        let sent = counter!("mprpc_client_sent_bytes_total");
        Self { stream, sent, received: counter!("mprpc_client_received_bytes_total"), stuck: None }
    }

    /// A server's connection.
    pub(crate) fn of_server(stream: Stream) -> Self {
        let sent = counter!("mprpc_server_sent_bytes_total");
        Self { stream, sent, received: counter!("mprpc_server_received_bytes_total"), stuck: None }
    }

    /// The connection itself, uncounted.
    #[cfg(feature = "tls")]
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// What is counted.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl std::fmt::Debug for CountedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stream.fmt(f)
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.received.increment(bytes as u64);
        }
        read
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(cx, bytes) else {
            let new = || Box::pin(tokio::time::sleep(UNTAKEN_MAX));
            ready!(this.stuck.get_or_insert_with(new).as_mut().poll(cx));
            let seconds = UNTAKEN_MAX.as_secs();
            let text = format!("the peer took nothing for {seconds} s");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
        };
        if this.stuck.is_some() {
            this.stuck = None;
        }
        if let Ok(bytes) = &written {
            this.sent.increment(*bytes as u64);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::Instant;

    use super::*;
    use crate::local::Network;

    async fn local() -> (CountedStream, Stream) {
        let (network, name) = (Network::new(), Arc::from("peer"));
        let mut listener = network.listen(&name).unwrap();
        let (client, server) = tokio::join!(network.connect(&name), listener.accept());
        let client = CountedStream::of_client(Stream::Local(client.unwrap()));
        (client, Stream::Local(server.0))
    }

    fn unix() -> (CountedStream, Stream) {
        let (one, other) = UnixStream::pair().unwrap();
        (CountedStream::of_server(Stream::Unix(one)), Stream::Unix(other))
    }

    /// Without a reader, the time is all that moves.
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut_off_whatever_the_connection_is_made_of() {
        for (mut stream, _peer) in [local().await, unix()] {
            let began = Instant::now();
            let error = loop {
                if let Err(error) = stream.write_all(&[7; 1024]).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let took = began.elapsed();
            assert!(took >= UNTAKEN_MAX && took < UNTAKEN_MAX * 2, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_little_at_a_time_is_not_cut_off() {
        let (mut stream, mut peer) = local().await;
        let writing = tokio::spawn(async move { stream.write_all(&vec![7; 1024 * 1024]).await });
        for _ in 0..10 {
            tokio::time::sleep(UNTAKEN_MAX - Duration::from_secs(1)).await;
            peer.read_exact(&mut [0; 1024]).await.unwrap();
        }
        peer.read_exact(&mut vec![0; 1024 * 1024 - 10 * 1024]).await.unwrap();
        writing.await.unwrap().unwrap();
    }
}
