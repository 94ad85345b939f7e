//! Bytes to messages and back.

use super::feed::Feed;
use super::rest::Rest;
use crate::failure;
use crate::output::Output;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio_websockets::{Error, Limits, Message, ServerBuilder, WebSocketStream};

/// The codec makes room for all of a frame that it has seen the header of. So it sees none of which more
/// is to come than this, in bytes.
const AHEAD_BYTES_MAX: u64 = 8 << 10;
/// What a close frame may say, in bytes, next to its code.
const REASON_BYTES_MAX: usize = 123;
/// The client sent a text that is none.
const NOT_UTF8: u16 = 1007;
/// The client sent more than a message may have.
const TOO_BIG: u16 = 1009;

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Text; it is UTF-8.
    Text(Bytes),
    /// Anything.
    Binary(Bytes),
    /// The client closes the connection, or broke the protocol. The answer to that is in the output;
    /// nothing comes after it.
    Closed,
}

/// The server's side of a WebSocket after its handshake, without its socket and without a clock.
///
/// Pings are answered by themselves. Between two messages nothing is kept, and within one memory grows
/// with what arrives and not with what a header announces.
#[derive(Debug)]
pub struct Messages {
    message_bytes_max: usize,
    /// None while the connection rests.
    codec: Option<Box<WebSocketStream<Feed>>>,
    rest: Rest,
    /// What has come of a frame that the codec does not see yet.
    begun: Vec<u8>,
    /// Something was received since there was last no whole message.
    unread: bool,
    /// One of both has closed it.
    over: bool,
    output: Output,
}

impl Messages {
    /// Of messages of at most `message_bytes_max`.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            codec: None,
            rest: Rest::default(),
            begun: Vec::new(),
            unread: false,
            over: false,
            output: Output::default(),
        }
    }

    /// Takes what was read from the client. Take all messages out of it before reading more.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.over || bytes.is_empty() {
            return;
        }
        self.rest.follow(bytes);
        let known = self.begun.len() + bytes.len();
        let begun = if self.is_held_back() { self.rest.begun().min(known) } else { 0 };
        match bytes.len().checked_sub(begun) {
            None => self.begun.extend_from_slice(bytes),
            Some(whole) => {
                let (whole, begun) = bytes.split_at(whole);
                self.feed(whole);
                self.begun = begun.to_vec();
            }
        }
    }

    /// Whether the frame that is not whole is not for the codec yet. One that is too long is: it is
    /// refused by its header.
    fn is_held_back(&self) -> bool {
        let waits = |left| left > AHEAD_BYTES_MAX && left <= self.message_bytes_max as u64;
        self.rest.left().is_none_or(waits)
    }

    /// Lets the codec see what was held back, and these bytes behind it.
    fn feed(&mut self, bytes: &[u8]) {
        let begun = std::mem::take(&mut self.begun);
        if begun.is_empty() && bytes.is_empty() {
            return;
        }
        self.unread = true;
        let limits = Limits::default().max_payload_len(Some(self.message_bytes_max));
        let codec = self.codec.get_or_insert_with(|| {
            Box::new(ServerBuilder::new().limits(limits).serve(Feed::default()))
        });
        let input = &mut codec.get_mut().input;
        input.extend_from_slice(&begun);
        input.extend_from_slice(bytes);
    }

    /// Whether everything that was received was looked at.
    pub fn is_drained(&self) -> bool {
        !self.unread
    }

    /// The next message, or `None` when no whole one is there.
    pub fn next_message(&mut self) -> Option<Incoming> {
        loop {
            match self.poll()? {
                Poll::Pending => {
                    self.unread = false;
                    if !self.rest.is_fragmented() && self.rest.begun() == self.begun.len() {
                        // It has decoded all that it saw, and what comes next depends on none of it.
                        self.codec = None;
                    }
                    return None;
                }
                Poll::Ready(Some(Ok(message))) if message.is_text() => {
                    let text = payload(message);
                    if std::str::from_utf8(&text).is_ok() {
                        return Some(Incoming::Text(text));
                    }
                    // The codec misses half a character that an empty last frame leaves so.
                    self.close(NOT_UTF8, failure::NOT_UTF8);
                    return Some(Incoming::Closed);
                }
                Poll::Ready(Some(Ok(message))) if message.is_binary() => {
                    return Some(Incoming::Binary(payload(message)));
                }
                Poll::Ready(Some(Ok(message))) if message.is_close() => {}
                // A ping, whose pong is written with the next poll, or a pong.
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(Error::PayloadTooLong { .. }))) => {
                    // The codec says so itself of a frame, and not of a message of many.
                    self.close(TOO_BIG, failure::TOO_BIG);
                    return Some(Incoming::Closed);
                }
                Poll::Ready(Some(Err(_)) | None) => {}
            }
            // It is over. What the codec answers to that is written with the next poll.
            let _ = self.poll();
            self.end();
            return Some(Incoming::Closed);
        }
    }

    /// Sends a text; `write` appends `bytes` bytes of UTF-8.
    pub fn send_text(&mut self, bytes: usize, write: impl FnOnce(&mut BytesMut)) {
        self.send(0x1, bytes, write);
    }

    /// Sends a binary message; `write` appends `bytes` bytes.
    pub fn send_binary(&mut self, bytes: usize, write: impl FnOnce(&mut BytesMut)) {
        self.send(0x2, bytes, write);
    }

    /// Asks whether the client is there.
    pub fn ping(&mut self) {
        self.send(0x9, 0, |_| {});
    }

    /// Closes the connection: nothing is sent or received after it. A reason that is too long is cut.
    pub fn close(&mut self, code: u16, reason: &str) {
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        self.send(0x8, 2 + reason.len(), |out| {
            out.put_u16(code);
            out.put_slice(reason.as_bytes());
        });
        self.end();
    }

    /// Nothing is said after this, and nothing kept.
    fn end(&mut self) {
        (self.over, self.unread) = (true, false);
        (self.codec, self.begun) = (None, Vec::new());
    }

    /// Whether one of both has closed it.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What is to be written to the client.
    pub fn output(&self) -> &[u8] {
        self.output.bytes()
    }

    /// The first `taken` bytes of the output were written.
    pub fn consume_output(&mut self, taken: usize) {
        self.output.consume(taken);
    }

    /// Bytes put into the output since the connection began.
    pub fn output_end(&self) -> u64 {
        self.output.end()
    }

    /// Bytes of memory held, for tests and metrics, but for what the codec has seen: at most a message
    /// and as much as it may see ahead.
    pub fn buffer_bytes(&self) -> usize {
        let codec = self.codec.as_ref().map_or(0, |codec| {
            size_of::<WebSocketStream<Feed>>() + codec.get_ref().input.capacity()
        });
        codec + self.begun.capacity() + self.output.capacity()
    }

    /// A frame of a server: whole, and not masked.
    fn send(&mut self, opcode: u8, bytes: usize, write: impl FnOnce(&mut BytesMut)) {
        if self.over {
            return;
        }
        self.output.write(|out| {
            out.reserve(10 + bytes);
            out.put_u8(0x80 | opcode);
            match (u8::try_from(bytes), u16::try_from(bytes)) {
                (Ok(short @ ..126), _) => out.put_u8(short),
                (_, Ok(longer)) => {
                    out.put_u8(126);
                    out.put_u16(longer);
                }
                _ => {
                    out.put_u8(127);
                    out.put_u64(bytes as u64);
                }
            }
            let begin = out.len();
            write(out);
            debug_assert_eq!(out.len() - begin, bytes, "the length was told before");
        });
    }

    /// What the codec comes to now. What it writes, pongs and its answer to a close, goes out at once: a
    /// pong stands before the answer to the message that came after its ping.
    fn poll(&mut self) -> Option<Poll<Option<Result<Message, Error>>>> {
        let codec = self.codec.as_mut()?;
        // Nobody is to be woken: who feeds it asks again.
        let polled = Pin::new(&mut **codec).poll_next(&mut Context::from_waker(Waker::noop()));
        let written = std::mem::take(&mut codec.get_mut().output);
        self.output.write(|out| out.extend_from_slice(&written));
        Some(polled)
    }
}

fn payload(message: Message) -> Bytes {
    Bytes::from(BytesMut::from(message.into_payload()))
}
