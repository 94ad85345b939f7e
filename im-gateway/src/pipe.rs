//! The body of a response in the place of a socket: what a connection writes into it, HTTP sends.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::Interest;
use tokio::sync::Notify;

/// Bytes that HTTP has not taken. What it has taken and not sent it bounds itself.
const PIPE_BYTES: usize = 64 << 10;

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Pipe(Arc<Shared>);

/// The response's end.
#[derive(Debug)]
pub(crate) struct PipeBody(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Room was made, or nobody reads any more.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: BytesMut,
    /// Bytes that HTTP took since it began.
    taken: u64,
    /// Nothing comes after `bytes`.
    ended: bool,
    /// The response is gone, and its client with it.
    gone: bool,
    reader: Option<Waker>,
}

/// Both ends of a new one.
pub(crate) fn pipe() -> (Pipe, PipeBody) {
    let shared = Arc::new(Shared::default());
    (Pipe(Arc::clone(&shared)), PipeBody(shared))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything that may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&self) -> usize {
        PIPE_BYTES.saturating_sub(self.bytes.len())
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Pipe {
    /// Nothing ever comes from there but the end.
    pub(crate) fn try_read(&self) -> io::Result<usize> {
        match self.0.state().gone {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Puts in as much as there is room for.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        let taken = bytes.len().min(state.room());
        if state.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.extend_from_slice(&bytes[..taken]);
        state.wake_reader();
        Ok(taken)
    }

    /// Waits until it is worth trying again. Cancel safe.
    pub(crate) async fn ready(&self, interest: Interest) {
        loop {
            let changed = self.0.changed.notified();
            {
                let state = self.0.state();
                if state.gone || (interest.is_writable() && state.room() > 0) {
                    return;
                }
            }
            changed.await;
        }
    }

    /// So many of the bytes that were put in HTTP has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.0.state().taken
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.state().gone
    }

    /// Puts in `rest`, as the last of it. What is in it then is still sent.
    pub(crate) async fn finish(self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            self.ready(Interest::WRITABLE).await;
            let taken = self.try_write(rest)?;
            rest = &rest[taken..];
        }
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        state.wake_reader();
    }
}

impl Stream for PipeBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state();
        if state.bytes.is_empty() {
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = std::mem::take(&mut state.bytes).freeze();
        state.taken += bytes.len() as u64;
        drop(state);
        self.0.changed.notify_one();
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Drop for PipeBody {
    fn drop(&mut self) {
        self.0.state().gone = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn kind(result: io::Result<usize>) -> io::ErrorKind {
        result.map(|_| ()).unwrap_err().kind()
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_and_no_more_waits_in_it_than_its_bound() {
        let (pipe, mut body) = pipe();
        assert!(body.next().now_or_never().is_none());
        let bytes = vec![7; PIPE_BYTES + 10];
        assert_eq!(pipe.try_write(&bytes).unwrap(), PIPE_BYTES);
        assert_eq!(kind(pipe.try_write(b"x")), io::ErrorKind::WouldBlock);
        assert_eq!(kind(pipe.try_read()), io::ErrorKind::WouldBlock);
        assert!(pipe.ready(Interest::WRITABLE).now_or_never().is_none());
        assert_eq!(pipe.taken(), 0);
        assert_eq!(body.next().await.unwrap().unwrap(), &bytes[10..]);
        assert_eq!(pipe.taken(), PIPE_BYTES as u64);
        pipe.ready(Interest::WRITABLE).await;
        pipe.finish(b"last").await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "last");
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_noticed_by_whoever_waits() {
        let (pipe, body) = pipe();
        let waits = tokio::spawn(async move {
            pipe.ready(Interest::READABLE).await;
            pipe
        });
        tokio::task::yield_now().await;
        drop(body);
        let pipe = waits.await.unwrap();
        assert!(pipe.is_gone());
        assert_eq!(kind(pipe.try_read()), io::ErrorKind::ConnectionReset);
        assert_eq!(kind(pipe.try_write(b"x")), io::ErrorKind::BrokenPipe);
        assert!(pipe.finish(b"x").await.is_err());
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_bytes_and_by_the_end() {
        let (pipe, mut body) = pipe();
        let read = tokio::spawn(async move { (body.next().await, body.next().await) });
        tokio::task::yield_now().await;
        pipe.try_write(b"x").unwrap();
        drop(pipe);
        let (first, second) = read.await.unwrap();
        assert_eq!(first.unwrap().unwrap(), "x");
        assert!(second.is_none());
    }
}
