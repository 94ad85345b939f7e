//! TLS on a connection of a session, without a task or a buffer of its own while it rests.

use std::fmt;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd as _;

use rustls::ServerConnection;
use tokio::net::TcpStream;

use super::marks::Marks;
use crate::kernel;

/// The longest record of TLS; no more text is encrypted at once.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// A connection after its handshake.
pub(crate) struct Tls {
    pub(super) stream: TcpStream,
    session: ServerConnection,
    /// Text that came and was not read. The kernel knows nothing of it.
    unread: usize,
    /// Text that was encrypted.
    text: u64,
    /// Encrypted bytes that the kernel took since the handshake.
    encrypted: u64,
    marks: Marks,
}

/// The socket as the session sees it.
struct Kernel<'a> {
    stream: &'a TcpStream,
    written: &'a mut u64,
}

impl io::Read for Kernel<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }
}

impl io::Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = self.stream.try_write_vectored(bytes)?;
        *self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    pub(super) fn new(stream: TcpStream, mut session: ServerConnection) -> Self {
        // Text that came with the end of the handshake.
        let unread =
            session.process_new_packets().map_or(0, |state| state.plaintext_bytes_to_read());
        Self { stream, session, unread, text: 0, encrypted: 0, marks: Marks::default() }
    }

    /// Whether there is text to read, whatever the kernel has.
    pub(super) fn has_text(&self) -> bool {
        self.unread > 0
    }

    /// Whether encrypted bytes wait for the kernel.
    pub(super) fn is_flushing(&self) -> bool {
        self.session.wants_write()
    }

    /// Reads what is there; 0 at the end, however the peer has ended.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(bytes) => {
                    self.unread = self.unread.saturating_sub(bytes);
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {
                    self.take()?;
                }
            }
        }
    }

    /// Takes encrypted bytes from the kernel; how many, 0 at their end.
    fn take(&mut self) -> io::Result<usize> {
        let mut kernel = Kernel { stream: &self.stream, written: &mut self.encrypted };
        let bytes = self.session.read_tls(&mut kernel)?;
        match self.session.process_new_packets() {
            Ok(state) => self.unread = state.plaintext_bytes_to_read(),
            Err(error) => {
                // As much as goes: the peer should learn what it did wrong.
                let _ = self.flush();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        // Keys may have to be changed.
        self.flush()?;
        Ok(bytes)
    }

    /// Writes as much as there is room for. What was encrypted before has to be with the kernel first, so
    /// that no more than a record waits here.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.session.writer().write(&bytes[..bytes.len().min(RECORD_BYTES_MAX)])?;
        self.text += taken as u64;
        self.flush()?;
        Ok(taken)
    }

    /// Hands encrypted bytes to the kernel; whether it has them all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            let mut kernel = Kernel { stream: &self.stream, written: &mut self.encrypted };
            match self.session.write_tls(&mut kernel) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.marks.put(self.text, self.encrypted);
        Ok(true)
    }

    /// So much of the text is with the peer's kernel; `None` if ours does not say.
    pub(super) fn peer_has(&mut self) -> Option<u64> {
        let on_their_way = kernel::unacknowledged_bytes(self.stream.as_fd()).ok()?;
        Some(self.marks.text_at(self.encrypted.saturating_sub(on_their_way)))
    }

    /// The text that has arrived and was not read, as far as it can be taken now.
    pub(super) fn unread(&mut self) -> usize {
        while self.unread < RECORD_BYTES_MAX && self.take().is_ok_and(|bytes| bytes > 0) {}
        self.unread
    }

    /// Encrypts and writes all of it, and says that no more comes.
    pub(super) async fn finish(&mut self, mut rest: &[u8]) -> io::Result<()> {
        loop {
            match self.try_write(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.stream.writable().await?,
            }
            if rest.is_empty() {
                break;
            }
        }
        self.session.send_close_notify();
        while !self.flush()? {
            self.stream.writable().await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("stream", &self.stream).finish_non_exhaustive()
    }
}
