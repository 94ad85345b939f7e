//! A connection whose bytes are counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use metrics::{Counter, counter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// Counts what goes over a connection. The counters belong to the recorder that is installed when
/// it is made.
pub(crate) struct CountedStream {
    stream: Stream,
    sent: Counter,
    received: Counter,
}

impl CountedStream {
    /// A channel's connection.
    pub(crate) fn of_client(stream: Stream) -> Self {
        let sent = counter!("mprpc_client_sent_bytes_total");
        Self { stream, sent, received: counter!("mprpc_client_received_bytes_total") }
    }

    /// A server's connection.
    pub(crate) fn of_server(stream: Stream) -> Self {
        let sent = counter!("mprpc_server_sent_bytes_total");
        Self { stream, sent, received: counter!("mprpc_server_received_bytes_total") }
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.sent.increment(*bytes as u64);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
