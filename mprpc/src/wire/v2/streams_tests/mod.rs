//! Streams between the two state machines, whatever happens in whatever order, however the bytes
//! between them are split.

mod given_back;
mod messages;
mod waiting;

use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use messages::{Flow, Numbered};
use proptest::prelude::*;
use tokio::time::Instant;

use super::client::{Calls, Opened, Request};
use super::compression::Compression;
use super::flow::Windows;
use super::frame::{Decoder, FRAME_BYTES_MAX};
use super::offer::Offer;
use super::server::{Event, Frames};
use super::server_streams::{Key, Streams};
use super::slots::CallId;
use super::stream::Directions;
use crate::{ServiceDescriptor, Status};

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["M"] };

const BOTH: Directions = Directions { sends: true, receives: true };

/// Small, so that both are reached all the time.
const WINDOWS: Windows = Windows { stream_max: 200, connection: 700 };
/// The longest message: longer than a stream's window.
const PADDING_MAX: usize = 300;
const COST_MAX: i64 = 12 + PADDING_MAX as i64 + 20;

/// Messages of much padding are compressed, and credit counts what they were.
fn offer() -> Offer {
    Offer { windows: WINDOWS, compression: Compression::above(100) }
}

struct Held {
    id: CallId,
    to_server: Flow,
    to_client: Flow,
    finished: bool,
    /// How the client found its end.
    ended: Option<Result<(), Status>>,
    /// What the server gave as the end.
    answered: Option<bool>,
}

struct Pair {
    calls: Calls,
    frames: Frames<()>,
    streams: Streams,
    to_server: BytesMut,
    to_client: BytesMut,
    at_server: (Decoder, BytesMut),
    at_client: (Decoder, BytesMut),
    /// By their number, what the client holds; and what the server does.
    held: BTreeMap<u64, Held>,
    served: BTreeMap<u64, (u32, Key)>,
    next: u64,
}

impl Pair {
    fn new() -> Self {
        let mut to_client = BytesMut::new();
        let frames = Frames::new(100, offer(), &mut to_client);
        let decoder = || (Decoder::new(FRAME_BYTES_MAX), BytesMut::new());
        let mut pair = Self {
            calls: Calls::new(offer()),
            frames,
            streams: Streams::new(offer(), &super::head::Settings::default()),
            to_server: BytesMut::new(),
            to_client,
            at_server: decoder(),
            at_client: decoder(),
            held: BTreeMap::new(),
            served: BTreeMap::new(),
            next: 0,
        };
        pair.collect();
        let _preface = pair.to_server.split_to(4);
        // As on a connection: each side knows the other's SETTINGS before there are streams.
        pair.deliver_all();
        pair.streams = Streams::new(offer(), pair.frames.settings());
        pair
    }

    fn collect(&mut self) {
        let mut out = BytesMut::new();
        self.calls.take_output(&mut out, &mut Vec::new());
        self.to_server.extend_from_slice(&out);
        self.streams.take_output(&mut self.to_client, &mut Vec::new());
    }

    fn deliver_to_server(&mut self, bytes: usize) {
        self.collect();
        let bytes = bytes.min(self.to_server.len());
        self.at_server.1.extend_from_slice(&self.to_server.split_to(bytes));
        while let Some(incoming) = self.at_server.0.decode(&mut self.at_server.1) {
            match self.frames.receive(incoming, |_| Some(()), &mut self.to_client).unwrap() {
                Event::Call { call, message, ended, .. } => {
                    assert!(!ended && message.len() == 0);
                    // One that the client has let go of is nobody's.
                    let held = self.held.iter().find(|(_, held)| held.id.number() == call);
                    let number = held.map_or(u64::MAX, |(number, _)| *number);
                    self.served.insert(number, (call, self.streams.open(call, BOTH)));
                }
                Event::Cancel { call } => {
                    self.streams.end(call, &mut Vec::new());
                    self.served.retain(|_, (served, _)| *served != call);
                }
                Event::Stream(header, payload) => {
                    let in_use = self.served.values().any(|(call, _)| *call == header.call);
                    self.streams.receive(header, payload, in_use, &mut Vec::new()).unwrap();
                }
                Event::Refuse { .. }
                | Event::Strange { .. }
                | Event::Settings(_)
                | Event::Auth(_)
                | Event::None => {}
            }
        }
    }

    fn deliver_to_client(&mut self, bytes: usize) {
        self.collect();
        let bytes = bytes.min(self.to_client.len());
        self.at_client.1.extend_from_slice(&self.to_client.split_to(bytes));
        while let Some(incoming) = self.at_client.0.decode(&mut self.at_client.1) {
            self.calls.receive(incoming, &mut Vec::new()).unwrap();
        }
    }

    fn deliver_all(&mut self) {
        self.collect();
        while !self.to_server.is_empty() || !self.to_client.is_empty() {
            self.deliver_to_server(usize::MAX);
            self.deliver_to_client(usize::MAX);
            self.collect();
        }
    }

    fn open(&mut self) {
        if self.held.len() >= 8 {
            return;
        }
        let now = Instant::now();
        let deadline = now + Duration::from_secs(60);
        let request = Request {
            service: &SERVICE,
            index: 0,
            method: 0,
            deadline,
            metadata: None,
            timing: None,
        };
        let Opened::Call(id) =
            self.calls.open_stream(&request, &(), BOTH, now, Waker::noop()).unwrap()
        else {
            panic!("the output is not full")
        };
        let (to_server, to_client) = (Flow::default(), Flow::default());
        let held = Held { id, to_server, to_client, finished: false, ended: None, answered: None };
        self.held.insert(self.next, held);
        self.next += 1;
    }

    fn client_sends(&mut self, stream: u64, padding: usize) -> bool {
        let Some(held) = self.held.get_mut(&stream).filter(|held| !held.finished) else {
            return false;
        };
        let message = Numbered { stream, at: held.to_server.sent, padding: vec![7; padding] };
        let sent = match self.calls.compression().deflate(&message) {
            Some(deflated) => self.calls.poll_send(held.id, &deflated, Waker::noop()),
            None => self.calls.poll_send(held.id, &message, Waker::noop()),
        };
        match sent {
            Poll::Ready(Ok(())) => held.to_server.sent(&message),
            Poll::Ready(Err(_)) => assert!(held.answered.is_some(), "it was ended"),
            Poll::Pending => return false,
        }
        true
    }

    fn server_sends(&mut self, stream: u64, padding: usize) -> bool {
        let (Some((_, key)), Some(held)) = (self.served.get(&stream), self.held.get_mut(&stream))
        else {
            return false;
        };
        let message = Numbered { stream, at: held.to_client.sent, padding: vec![7; padding] };
        let sent = match self.frames.compression().deflate(&message) {
            Some(deflated) => self.streams.poll_send(*key, &deflated, Waker::noop()),
            None => self.streams.poll_send(*key, &message, Waker::noop()),
        };
        if sent.map(Result::unwrap).is_ready() {
            held.to_client.sent(&message);
            return true;
        }
        false
    }

    fn client_takes(&mut self, stream: u64) -> bool {
        let Some(held) = self.held.get_mut(&stream) else { return false };
        match self.calls.poll_next(held.id, Waker::noop()) {
            Poll::Ready(Ok(Some(message))) => {
                assert!(held.ended.is_none());
                held.to_client.took(stream, message.inflate().unwrap());
                return true;
            }
            Poll::Ready(Ok(None)) => held.ended = Some(Ok(())),
            Poll::Ready(Err(status)) => held.ended = Some(Err(status)),
            Poll::Pending => return false,
        }
        // All that was sent before the end was taken before it.
        assert_eq!(held.to_client.sent, held.to_client.taken);
        assert_eq!(held.ended.as_ref().map(Result::is_ok), held.answered);
        false
    }

    fn server_takes(&mut self, stream: u64) -> bool {
        let (Some((_, key)), Some(held)) = (self.served.get(&stream), self.held.get_mut(&stream))
        else {
            return false;
        };
        match self.streams.poll_next(*key, Waker::noop()).map(Result::unwrap) {
            Poll::Ready(Some(message)) => {
                held.to_server.took(stream, message.inflate().unwrap());
                return true;
            }
            Poll::Ready(None) => {
                assert!(held.finished && held.to_server.sent == held.to_server.taken);
            }
            Poll::Pending => {}
        }
        false
    }

    fn server_ends(&mut self, stream: u64, well: bool) {
        let Some((call, _)) = self.served.remove(&stream) else { return };
        self.streams.take_output(&mut self.to_client, &mut Vec::new());
        self.streams.end(call, &mut Vec::new());
        if well {
            self.frames.respond(call, &mut self.to_client, |_| Ok::<_, Status>(())).unwrap();
        } else {
            self.frames.refuse(call, &Status::aborted("enough"), &mut self.to_client);
        }
        if let Some(held) = self.held.get_mut(&stream) {
            held.answered = Some(well);
        }
    }

    fn client_finishes(&mut self, stream: u64) {
        if let Some(held) = self.held.get_mut(&stream) {
            held.finished = true;
            self.calls.finish(held.id);
        }
    }

    fn client_lets_go(&mut self, stream: u64) {
        if let Some(held) = self.held.remove(&stream) {
            self.calls.give_up(held.id, &mut Vec::new());
            self.calls.close(held.id);
        }
    }

    /// What waits is bounded by the windows and one message, in both directions.
    fn check_bounds(&self) {
        let flows = |flow: fn(&Held) -> &Flow| {
            let mut all = 0;
            for held in self.held.values() {
                let outstanding = flow(held).outstanding;
                assert!(outstanding < i64::from(WINDOWS.stream_max) + COST_MAX, "{outstanding}");
                all += outstanding;
            }
            assert!(all < i64::from(WINDOWS.connection) + COST_MAX, "{all}");
        };
        // Of an ended call nothing is read at the server, and its credit is back.
        flows(|held| if held.answered.is_some() { &NONE } else { &held.to_server });
        flows(|held| &held.to_client);
    }
}

static NONE: Flow = Flow { sent: 0, taken: 0, outstanding: 0, costs: BTreeMap::new() };

#[derive(Clone, Debug)]
enum Step {
    Open,
    ClientSends(u64, usize),
    ServerSends(u64, usize),
    ClientTakes(u64),
    ServerTakes(u64),
    ClientFinishes(u64),
    ClientLetsGo(u64),
    ServerEnds(u64, bool),
    ToServer(usize),
    ToClient(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (stream, padding) = (0..12_u64, 0..PADDING_MAX);
    prop_oneof![
        1 => Just(Step::Open),
        6 => (stream.clone(), padding.clone()).prop_map(|(s, p)| Step::ClientSends(s, p)),
        6 => (stream.clone(), padding).prop_map(|(s, p)| Step::ServerSends(s, p)),
        4 => stream.clone().prop_map(Step::ClientTakes),
        4 => stream.clone().prop_map(Step::ServerTakes),
        1 => stream.clone().prop_map(Step::ClientFinishes),
        1 => stream.clone().prop_map(Step::ClientLetsGo),
        1 => (stream, any::<bool>()).prop_map(|(s, well)| Step::ServerEnds(s, well)),
        6 => (1..200_usize).prop_map(Step::ToServer),
        6 => (1..200_usize).prop_map(Step::ToClient),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_stream_gets_its_own_messages_and_credit_comes_back(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut pair = Pair::new();
        for step in steps {
            match step {
                Step::Open => pair.open(),
                Step::ClientSends(stream, padding) => _ = pair.client_sends(stream, padding),
                Step::ServerSends(stream, padding) => _ = pair.server_sends(stream, padding),
                Step::ClientTakes(stream) => _ = pair.client_takes(stream),
                Step::ServerTakes(stream) => _ = pair.server_takes(stream),
                Step::ClientFinishes(stream) => pair.client_finishes(stream),
                Step::ClientLetsGo(stream) => pair.client_lets_go(stream),
                Step::ServerEnds(stream, well) => pair.server_ends(stream, well),
                Step::ToServer(bytes) => pair.deliver_to_server(bytes),
                Step::ToClient(bytes) => pair.deliver_to_client(bytes),
            }
            pair.check_bounds();
        }
        read_all(&mut pair);
        // What was open goes on: there is credit again.
        for stream in 0..pair.next {
            if pair.served.contains_key(&stream) && pair.held.contains_key(&stream) {
                prop_assert!(pair.server_sends(stream, 0));
                prop_assert!(pair.held[&stream].finished || pair.client_sends(stream, 0));
                read_all(&mut pair);
            }
        }
        // And nothing of the connection's is lost, whatever has ended how.
        for stream in 0..pair.next {
            pair.client_lets_go(stream);
        }
        pair.deliver_all();
        credit_is_whole(&mut pair);
    }
}

/// Both sides read until nothing moves.
fn read_all(pair: &mut Pair) {
    loop {
        pair.deliver_all();
        let mut moved = false;
        for stream in 0..pair.next {
            moved |= pair.client_takes(stream);
            moved |= pair.server_takes(stream);
        }
        if !moved {
            return;
        }
    }
}

/// Streams that nobody reads take nearly all that the connection had at first, both ways.
fn credit_is_whole(pair: &mut Pair) {
    let first = pair.next;
    for _ in 0..8 {
        pair.open();
    }
    pair.deliver_all();
    let (mut to_server, mut to_client) = (0, 0);
    for stream in first..pair.next {
        while pair.client_sends(stream, 0) {}
        while pair.server_sends(stream, 0) {}
        to_server += pair.held[&stream].to_server.outstanding;
        to_client += pair.held[&stream].to_client.outstanding;
    }
    let least = i64::from(WINDOWS.connection) * 2 / 3;
    assert!(to_server >= least && to_client >= least, "{to_server} {to_client}");
}
