//! WebSocket.

use crate::{
    error::{BadRequest, ConnectionError},
    protocol::{ENVELOPE_BYTES_MAX, JsonDialogue},
    stream::Stream,
    transport::Incoming,
};
use futures_util::{Sink as _, Stream as _};
use im_wire::Command;
use std::{collections::VecDeque, future::poll_fn, pin::Pin, task::Poll};
use tokio_websockets::{ClientBuilder, Error, Limits, Message, WebSocketStream};

/// A WebSocket, what is to be written to it, and who understands what it says.
#[derive(Debug)]
pub(crate) struct WebSocket {
    stream: WebSocketStream<Stream>,
    output: VecDeque<Message>,
    dialogue: JsonDialogue,
}

impl WebSocket {
    /// Agrees on WebSocket with whoever is at the other end.
    pub(crate) async fn open(stream: Stream, url: &str) -> Result<Self, ConnectionError> {
        let limits = Limits::default().max_payload_len(Some(ENVELOPE_BYTES_MAX));
        let builder = ClientBuilder::new().limits(limits).uri(url);
        let builder = builder.map_err(|_| ConnectionError::Protocol("no address that is one"))?;
        let (stream, _) = builder.connect_on(stream).await.map_err(broken)?;
        Ok(Self { stream, output: VecDeque::new(), dialogue: JsonDialogue::new() })
    }

    pub(crate) fn start(&mut self, request: &Command) -> Result<(), BadRequest> {
        let envelope = self.dialogue.enveloped(request)?;
        self.output.push_back(Message::text(bytes::Bytes::from(envelope)));
        Ok(())
    }

    /// Cancel safe: what is not written is here or in the stream.
    pub(crate) async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        if let Some(answer) = self.dialogue.early() {
            return Ok(answer);
        }
        loop {
            let message = self.transfer().await?;
            if message.is_text()
                && let Some(incoming) = self.dialogue.enveloped_answer(message.as_payload())?
            {
                return Ok(incoming);
            }
            if let Some((_, reason)) = message.as_close() {
                return Err(match reason {
                    "" => ConnectionError::Ended,
                    reason => ConnectionError::Closing(reason.to_owned()),
                });
            }
        }
    }

    /// Writes what there is, and waits for a message.
    async fn transfer(&mut self) -> Result<Message, ConnectionError> {
        let Self { stream, output, .. } = self;
        let mut stream = Pin::new(stream);
        poll_fn(|cx| {
            while !output.is_empty() && stream.as_mut().poll_ready(cx).map_err(broken)?.is_ready() {
                if let Some(message) = output.pop_front() {
                    stream.as_mut().start_send(message).map_err(broken)?;
                }
            }
            // What is left of it is written when this is polled again.
            let _ = stream.as_mut().poll_flush(cx).map_err(broken)?;
            match stream.as_mut().poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(message)) => Poll::Ready(message.map_err(broken)),
                Poll::Ready(None) => Poll::Ready(Err(ConnectionError::Ended)),
            }
        })
        .await
    }
}

fn broken(error: Error) -> ConnectionError {
    match error {
        Error::Io(error) => error.into(),
        Error::AlreadyClosed => ConnectionError::Ended,
        Error::PayloadTooLong { .. } => ConnectionError::Protocol("a message of more than 8 MiB"),
        Error::Upgrade(_) => ConnectionError::Protocol("no WebSocket is to be had there"),
        _ => ConnectionError::Protocol("no WebSocket of version 13"),
    }
}
