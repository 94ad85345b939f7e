//! Who waits for the connection's credit: each stream once, by its latest waker, until it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::time::Instant;

use super::super::client::{Calls, Opened, Request};
use super::super::flow::{Grant, Windows};
use super::super::frame::{Header, Incoming, Kind};
use super::super::head::Settings;
use super::super::offer::Offer;
use super::super::server_streams::{Key, Streams};
use super::super::slots::CallId;
use super::messages::Numbered;
use super::{BOTH, SERVICE};

/// How often a peer does what must not add up.
const ROUNDS: usize = 10_000;

const MIB: u32 = 1024 * 1024;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn flag() -> (Arc<Flag>, Waker) {
    let flag = Arc::new(Flag::default());
    (Arc::clone(&flag), Waker::from(flag))
}

fn of_bytes(bytes: u32) -> Numbered {
    Numbered { stream: 0, at: 0, padding: vec![0; bytes as usize] }
}

fn with_connection_window(bytes: u32) -> Settings {
    Settings { connection_window: bytes, ..Settings::default() }
}

fn credit(call: u32, stream: u32, connection: u32) -> (Header, Bytes) {
    let payload = Grant { stream, connection }.payload();
    (Header { kind: Kind::Credit, flags: 0, method: 0, call }, Bytes::copy_from_slice(&payload))
}

/// A server whose client says `settings`.
struct AtServer(Streams);

impl AtServer {
    fn new(settings: &Settings) -> Self {
        Self(Streams::new(Windows::default(), settings))
    }

    fn sends(&mut self, key: Key, bytes: u32, waker: &Waker) -> bool {
        match self.0.poll_send(key, &of_bytes(bytes), waker) {
            Poll::Ready(sent) => sent.map(|()| true).unwrap(),
            Poll::Pending => false,
        }
    }

    /// The client gives credit; those who are woken by that.
    fn gets_credit(&mut self, call: u32, stream: u32, connection: u32) -> Vec<Waker> {
        let (mut woken, (header, payload)) = (Vec::new(), credit(call, stream, connection));
        self.0.receive(header, payload, true, &mut woken).unwrap();
        woken
    }

    fn writes(&mut self) {
        self.0.take_output(&mut BytesMut::new(), &mut Vec::new());
    }
}

#[test]
fn streams_that_a_client_ends_wait_no_more() {
    let mut server = AtServer::new(&with_connection_window(1));
    let first = server.0.open(0, BOTH);
    assert!(server.sends(first, 1, Waker::noop()), "it uses the credit up");
    for _ in 0..ROUNDS {
        let key = server.0.open(1, BOTH);
        let (_, waker) = flag();
        assert!(!server.sends(key, 1, &waker));
        server.0.end(1, &mut Vec::new());
    }
    assert!(!server.sends(first, 1, Waker::noop()));
    assert_eq!(server.gets_credit(0, 0, 100).len(), 1);
}

#[test]
fn a_stream_waits_once_however_often_it_is_given_nothing() {
    let mut server = AtServer::new(&with_connection_window(1));
    let key = server.0.open(0, BOTH);
    assert!(server.sends(key, 1, Waker::noop()));
    for _ in 0..ROUNDS {
        let (_, waker) = flag();
        assert!(!server.sends(key, 1, &waker));
        assert!(server.gets_credit(0, 0, 0).is_empty(), "nothing has changed");
    }
    assert_eq!(server.gets_credit(0, 0, 100).len(), 1);
    assert!(server.sends(key, 1, Waker::noop()));
}

#[test]
fn a_sender_that_moves_while_the_output_is_full_is_woken_where_it_is() {
    let settings = Settings { stream_window: 2 * MIB, ..with_connection_window(4 * MIB) };
    let mut server = AtServer::new(&settings);
    let keys: Vec<Key> = (0..4).map(|call| server.0.open(call, BOTH)).collect();
    for key in &keys[..2] {
        assert!(server.sends(*key, MIB, Waker::noop()));
        server.writes();
    }
    // Not covered, and the connection has half of what it began with.
    let ((here, was_here), (there, is_there)) = (flag(), flag());
    assert!(!server.sends(keys[3], 2 * MIB, &was_here));
    assert!(server.sends(keys[2], MIB, Waker::noop()), "it is covered, and fills the output");
    assert!(!server.sends(keys[3], 2 * MIB, &is_there));
    server.writes();
    assert!(!server.sends(keys[3], 2 * MIB, &is_there));
    for waker in server.gets_credit(0, 0, 2 * MIB) {
        waker.wake();
    }
    assert!(there.0.load(Ordering::SeqCst) && !here.0.load(Ordering::SeqCst));
    assert!(server.sends(keys[3], 2 * MIB, &is_there));
}

fn open(calls: &mut Calls) -> CallId {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let (service, index) = (&SERVICE, 0);
    let request = Request { service, index, method: 0, deadline, metadata: None, timing: None };
    match calls.open_stream(&request, &(), BOTH, now, Waker::noop()).unwrap() {
        Opened::Call(id) => id,
        _ => panic!("the output is not full"),
    }
}

#[test]
fn streams_that_a_client_gives_up_wait_no_more() {
    let mut calls = Calls::new(Offer::from(Windows::default()));
    let settings = with_connection_window(1).encode_to_vec();
    let header = Header::connection(Kind::Settings);
    calls.receive(Incoming::Frame(header, settings.into()), &mut Vec::new()).unwrap();
    let first = open(&mut calls);
    assert!(calls.poll_send(first, &of_bytes(1), Waker::noop()).is_ready());
    for _ in 0..ROUNDS {
        let id = open(&mut calls);
        let (_, waker) = flag();
        assert!(calls.poll_send(id, &of_bytes(1), &waker).is_pending());
        calls.give_up(id, &mut Vec::new());
        calls.close(id);
        calls.take_output(&mut BytesMut::new(), &mut Vec::new());
    }
    assert!(calls.poll_send(first, &of_bytes(1), Waker::noop()).is_pending());
    let (mut woken, (header, payload)) = (Vec::new(), credit(0, 0, 100));
    calls.receive(Incoming::Frame(header, payload), &mut woken).unwrap();
    assert_eq!(woken.len(), 1);
}
