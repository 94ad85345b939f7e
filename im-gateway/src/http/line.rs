//! A connection as its requests see it, and for how long an answer may take to be read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use im_common::InUse;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::doorman::Place;
use crate::entry::ClientStream;
use crate::metrics::METRICS;

/// What the requests of a connection share. Its place is given back once nobody has this any more.
#[derive(Debug)]
pub(super) struct Line {
    _place: (Place, InUse),
    is_stream: AtomicBool,
}

impl Line {
    pub(super) fn new(place: Place) -> Arc<Self> {
        let place = (place, InUse::of(&METRICS.http_connections));
        Arc::new(Self { _place: place, is_stream: AtomicBool::new(false) })
    }

    /// What follows has no end; whether its reader keeps up is for others to say.
    pub(super) fn becomes_stream(&self) {
        self.is_stream.store(true, Ordering::Relaxed);
    }
}

/// A connection whose client has to take an answer within a time. One that takes a little of it again and
/// again would hold it in memory for as long as it likes.
#[derive(Debug)]
pub(super) struct Patient {
    stream: ClientStream,
    line: Arc<Line>,
    at_most: Duration,
    /// Since something could not be written at once, until all has been.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub(super) fn new(stream: ClientStream, line: Arc<Line>, at_most: Duration) -> Self {
        Self { stream, line, at_most, waiting: None }
    }

    /// The connection, for what is not HTTP.
    pub(super) fn into_inner(self) -> ClientStream {
        self.stream
    }

    /// What came of writing, unless there was no more time for it.
    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() || self.line.is_stream.load(Ordering::Relaxed) {
            return written;
        }
        let at_most = self.at_most;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(at_most)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper asks for this only when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.waiting = None;
        }
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.in_time(cx, shut)
    }
}
