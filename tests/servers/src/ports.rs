//! Addresses for the programs under test.
//!
//! A killed service comes back at its address, since the others were told where it is. A port that
//! the kernel picks (`bind` to 0) may belong to somebody else by then: it is from the range out of
//! which every outgoing connection takes one, and a client that keeps trying to reach a dead
//! service can even connect to itself there. So ports are taken from below that range, and each
//! belongs to the process that took it, by a lock on a file, until that process ends: also in the
//! moments in which nobody listens on it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// Linux takes ports of outgoing connections from 32768 on.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// The ports of this process. The kernel gives up the locks when it ends, however it ends.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// An address on this machine that nobody listens on, and that no other process gets from here
/// while this one lives.
///
/// # Panics
/// When every port is taken.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test runs at the same time begin at different places.
    let start = std::process::id().wrapping_mul(397) % u32::from(COUNT);
    for _ in 0..COUNT {
        let offset = start + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(offset % u32::from(COUNT)).expect("below COUNT") + FIRST;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if take(port) && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port from {FIRST} on is free");
}

/// Whether the port is this process's from now on.
fn take(port: u16) -> bool {
    let directory = std::env::temp_dir().join("mpim-test-ports");
    std::fs::create_dir_all(&directory).expect("a directory for locks can be made");
    let path = directory.join(port.to_string());
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.expect("a lock file can be made");
    let taken = file.try_lock().is_ok();
    if taken {
        TAKEN.lock().expect("nobody panics with the list").push(file);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_and_given_out_once() {
        let (one, two) = (free_address(), free_address());
        assert_ne!(one, two);
        let _taken = TcpListener::bind(one).unwrap();
        let _taken = TcpListener::bind(two).unwrap();
    }

    #[test]
    fn what_one_took_nobody_else_gets_though_nobody_listens() {
        let one = free_address();
        assert!(!take(one.port()));
    }
}
