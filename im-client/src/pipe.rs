//! A protocol on a stream of bytes.

use crate::{
    error::{BadRequest, ConnectionError},
    protocol::Dialogue,
    stream::Stream,
    transport::Incoming,
};
use bytes::{Buf, BytesMut};
use im_wire::Command;
use std::{future::poll_fn, pin::Pin, task::Poll};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;

/// A socket, what is to be written to it, and who understands what it says.
#[derive(Debug)]
pub(crate) struct Pipe<D> {
    stream: Stream,
    output: BytesMut,
    dialogue: D,
}

impl<D: Dialogue> Pipe<D> {
    pub(crate) fn new(stream: Stream, dialogue: D) -> Self {
        Self { stream, output: BytesMut::new(), dialogue }
    }

    pub(crate) fn dialogue(&mut self) -> &mut D {
        &mut self.dialogue
    }

    pub(crate) fn start(&mut self, request: &Command) -> Result<(), BadRequest> {
        self.dialogue.start(request, &mut self.output)
    }

    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        loop {
            if let Some(incoming) = self.dialogue.take()? {
                return Ok(incoming);
            }
            self.transfer().await?;
        }
    }

    /// Writes what there is, and waits until something was read. Cancel safe: what was written is gone
    /// from the output at once, and what was read is with the protocol.
    pub(crate) async fn transfer(&mut self) -> Result<(), ConnectionError> {
        let Self { stream, output, dialogue } = self;
        let mut stream = Pin::new(stream);
        let mut bytes = [0; READ_BYTES];
        poll_fn(|cx| {
            while !output.is_empty() {
                match stream.as_mut().poll_write(cx, output)? {
                    Poll::Ready(written) => output.advance(written),
                    Poll::Pending => break,
                }
            }
            // What is left of it is written when this is polled again.
            let _ = stream.as_mut().poll_flush(cx)?;
            let mut read = ReadBuf::new(&mut bytes);
            match stream.as_mut().poll_read(cx, &mut read)? {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) if read.filled().is_empty() => {
                    Poll::Ready(Err(ConnectionError::Ended))
                }
                Poll::Ready(()) => {
                    dialogue.receive(read.filled());
                    Poll::Ready(Ok(()))
                }
            }
        })
        .await
    }
}
