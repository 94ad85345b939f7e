//! Bytes in and out of the socket, and what became of them.

use std::cell::RefCell;
use std::io::ErrorKind;

use tokio::time::Instant;

use super::{Connection, End};

/// What one read takes at most. One buffer for each thread: a connection that waits has none.
const READ_BYTES: usize = 16 << 10;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

impl Connection {
    pub(super) fn wants_input(&self) -> bool {
        let more = self.drain.is_none_or(|drain| drain.unread > 0);
        let sends = self.session.as_ref().is_none_or(|session| session.has_room_to_send());
        more && sends && !self.input_ended && self.wire.wants_input()
    }

    /// Whether something has come since the connection was last taken for silent, though it is not read:
    /// what was asked before it is not answered. It counts as heard then.
    pub(super) fn hears_more(&mut self, now: Instant) -> bool {
        let unread = self.socket.unread();
        let more = unread > self.unread;
        self.unread = unread;
        if more {
            self.heard_at = now;
        }
        more
    }

    /// Reads once, if there is something and the protocol wants it.
    pub(super) fn read(&mut self) -> Result<(), End> {
        if !self.wants_input() {
            return Ok(());
        }
        let at_most = self.drain.map_or(READ_BYTES, |drain| drain.unread.min(READ_BYTES));
        let read = READ.with_borrow_mut(|buffer| {
            let read = self.socket.try_read(&mut buffer[..at_most]);
            if let Ok(bytes) = read {
                self.wire.receive(&buffer[..bytes]);
            }
            read
        });
        if let (Ok(bytes), Some(drain)) = (&read, &mut self.drain) {
            drain.unread -= bytes;
        }
        match read {
            Ok(0) => {
                // Whatever the client has got it had acknowledged by now; a later reset says nothing
                // about it any more.
                self.observe();
                self.input_ended = true;
                Ok(())
            }
            Ok(_) => {
                self.heard_at = Instant::now();
                (self.pinged, self.unread) = (false, 0);
                Ok(())
            }
            Err(error) => harmless(&error).then_some(()).ok_or(End::Broken),
        }
    }

    /// Writes as much as the kernel takes; answers whether that was anything.
    pub(super) fn write(&mut self) -> Result<bool, End> {
        let mut wrote = false;
        self.socket.flush().map_err(|_| End::Broken)?;
        while !self.wire.output().is_empty() {
            match self.socket.try_write(self.wire.output()) {
                Ok(0) => return Err(End::Broken),
                Ok(bytes) => {
                    self.wire.consume_output(bytes);
                    wrote = true;
                }
                Err(error) if harmless(&error) => break,
                Err(_) => return Err(End::Broken),
            }
        }
        Ok(wrote)
    }

    /// Asks the kernel how far the client is. Without an answer, it stays where it was.
    pub(super) fn observe(&mut self) {
        if let Some(peer_has) = self.socket.peer_has() {
            self.peer_has = self.peer_has.max(peer_has);
        }
    }
}

fn harmless(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
