//! The one question to the kernel that no safe interface has: how much of what was written to a
//! socket the peer has not acknowledged.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The bytes written to a TCP socket that the peer's kernel has not acknowledged, those not even
/// sent included (`SIOCOUTQ`, tcp(7)).
///
/// Stays valid for as long as the descriptor is open, also after the peer has closed or reset the
/// connection: what it had not acknowledged by then counts for ever.
#[expect(
    unsafe_code,
    reason = "ioctl has no safe binding; the call writes one int, which outlives it"
)]
pub(crate) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed, so open; SIOCOUTQ (= TIOCOUTQ) writes one int through the
    // pointer, which is valid for the time of the call.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(|_| io::Error::other("the kernel counts fewer than no bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn what_the_peer_did_not_acknowledge_is_known_after_it_has_reset_the_connection() {
        let (mut server, client) = pair();
        server.set_nonblocking(true).unwrap();
        // The client never reads: soon its kernel has no room, and acknowledges no more.
        let mut written = 0;
        loop {
            match server.write(&[b'x'; 65536]) {
                Ok(bytes) => written += bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let before = unacknowledged_bytes(server.as_fd()).unwrap();
        assert!(0 < before && before <= written, "{before} of {written}");
        drop(client);
        server.set_nonblocking(false).unwrap();
        let error = server.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let after = unacknowledged_bytes(server.as_fd()).unwrap();
        assert!(0 < after && after <= before, "{after} after the reset, {before} before");
    }

    #[test]
    fn what_the_peer_has_read_is_acknowledged_after_it_has_closed() {
        let (mut server, mut client) = pair();
        server.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        drop(client);
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(unacknowledged_bytes(server.as_fd()).unwrap(), 0);
    }
}
