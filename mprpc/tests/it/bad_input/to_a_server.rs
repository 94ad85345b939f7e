//! One connection of whoever, and what a server made of it.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use mprpc::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use super::bytes::{CALL, PING, PONG, RESPONSE, frame};
use crate::said::Said;
use crate::support::{Gate, Running, SOON, echo_req, soon};
use crate::told::Told;

/// What a server does about it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reaction {
    /// Closes the connection, with a line at warn.
    Closed,
    /// Answers the call so, with a line at warn; the connection goes on.
    Refused(Code),
    /// The same, where it has no more to say before it has skipped all that was promised.
    RefusedAndSkips(Code),
    /// Nothing, and the connection goes on.
    Ignored,
    /// Nothing at all: it waits for the rest.
    Waits,
    /// Answers the call as if all were well.
    Served,
    /// The sender went away: a line at debug.
    Cut,
}

/// What somebody sends.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) reaction: Reaction,
}

pub(super) fn case(what: &'static str, bytes: impl Into<Vec<u8>>, reaction: Reaction) -> Case {
    Case { what, bytes: bytes.into(), reaction }
}

/// All that counts bad input.
const COUNTERS: &[&str] = &[
    "mprpc_protocol_errors_total",
    "mprpc_requests_refused_total",
    "mprpc_connections_broken_total",
    "mprpc_connections_refused_total",
];

impl Case {
    /// Sends it to a server of its own, beside somebody who is served all the time.
    pub(super) async fn holds(self) {
        let Self { what, bytes, reaction } = self;
        let said = Said::listen();
        let (mut told, _guard) = Told::listen();
        let gate = Gate::default();
        let server = gate.serve().await;
        let bystander = server.client();
        bystander.echo(&soon(), echo_req("before")).await.unwrap();

        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut rogue = Rogue { stream, input: BytesMut::new() };
        // It may be closed before all is written.
        let _ = timeout(SOON, rogue.stream.write_all(&bytes)).await.expect(what);
        match reaction {
            Reaction::Closed => rogue.is_closed(what).await,
            Reaction::Cut => {}
            Reaction::Waits => {
                bystander.echo(&soon(), echo_req("beside it")).await.unwrap();
            }
            Reaction::Ignored => rogue.goes_on(what).await,
            Reaction::Served => assert_eq!(rogue.outcome(what).await, Code::Ok, "{what}"),
            Reaction::Refused(code) => {
                assert_eq!(rogue.outcome(what).await, code, "{what}");
                rogue.goes_on(what).await;
            }
            Reaction::RefusedAndSkips(code) => {
                assert_eq!(rogue.outcome(what).await, code, "{what}");
            }
        }
        drop(rogue);
        bystander.echo(&soon(), echo_req("after")).await.unwrap();
        told.wait_for(&expected(reaction)).await;
        // What is left of it ends, and whatever more would be counted has been.
        server.stop().await;
        let counted = told.of(COUNTERS);
        let counted: Vec<_> = counted.iter().map(|(key, times)| (key.as_str(), *times)).collect();
        assert_eq!(counted, expected(reaction).as_slice(), "{what}: {said:?}");
        let opened = told.of(&["mprpc_connections_opened_total"]);
        assert_eq!(opened.into_values().sum::<f64>(), 1.0, "{what}: the other's connection stays");

        let warns = usize::from(matches!(
            reaction,
            Reaction::Closed | Reaction::Refused(_) | Reaction::RefusedAndSkips(_)
        ));
        // The server also says that it closes what is left when it stops.
        let mut warned = said.at(Level::WARN);
        warned.retain(|line| line.contains("peer="));
        assert_eq!(warned.len(), warns, "{what}: {warned:?}");
        assert!(said.at(Level::ERROR).is_empty(), "{what}: {said:?}");
        let broke = said.at(Level::DEBUG).iter().filter(|line| line.contains("ended")).count();
        let breaks =
            matches!(reaction, Reaction::Cut | Reaction::Waits | Reaction::RefusedAndSkips(_));
        assert!(broke >= usize::from(breaks), "{what}: {said:?}");
    }
}

fn expected(reaction: Reaction) -> Vec<(&'static str, f64)> {
    let refused = |code: Code| match code {
        Code::InvalidArgument => "mprpc_requests_refused_total{code=InvalidArgument}",
        Code::ResourceExhausted => "mprpc_requests_refused_total{code=ResourceExhausted}",
        Code::Unimplemented => "mprpc_requests_refused_total{code=Unimplemented}",
        other => panic!("no request is refused with {other}"),
    };
    match reaction {
        Reaction::Closed => vec![("mprpc_protocol_errors_total{}", 1.0)],
        Reaction::Refused(code) => vec![(refused(code), 1.0)],
        Reaction::RefusedAndSkips(code) => {
            // It goes away before it has sent what it promised.
            vec![("mprpc_connections_broken_total{}", 1.0), (refused(code), 1.0)]
        }
        Reaction::Waits | Reaction::Cut => vec![("mprpc_connections_broken_total{}", 1.0)],
        Reaction::Ignored | Reaction::Served => Vec::new(),
    }
}

struct Rogue {
    stream: TcpStream,
    input: BytesMut,
}

impl Rogue {
    async fn is_closed(&mut self, what: &str) {
        // A reset closes it too.
        let mut rest = Vec::new();
        let rest = self.stream.read_to_end(&mut rest);
        let _ = timeout(SOON, rest).await.unwrap_or_else(|_| panic!("{what}: it is closed"));
    }

    /// Its pings are answered.
    async fn goes_on(&mut self, what: &str) {
        self.stream.write_all(&frame(PING, 0, 0, b"still there?")).await.expect(what);
        while self.frame(what).await.0 != PONG {}
    }

    /// The code that the call was answered with.
    async fn outcome(&mut self, what: &str) -> Code {
        loop {
            let (kind, call, payload) = self.frame(what).await;
            if (kind, call) == (RESPONSE, CALL) {
                // The head begins with the code, unless that is 0.
                let code = if payload[0] > 0 && payload[1] == 0x08 { payload[2] } else { 0 };
                return Code::from_u32(code.into());
            }
        }
    }

    async fn frame(&mut self, what: &str) -> (u8, u32, Vec<u8>) {
        let until = Instant::now() + SOON;
        loop {
            if let Some(header) = self.input.first_chunk::<12>().copied() {
                let length = u32::from_le_bytes(*header.first_chunk().unwrap()) as usize;
                if self.input.len() >= 12 + length {
                    self.input.advance(12);
                    let payload = self.input.split_to(length).to_vec();
                    let call = u32::from_le_bytes(*header.last_chunk().unwrap());
                    return (header[4], call, payload);
                }
            }
            let read = timeout(SOON, self.stream.read_buf(&mut self.input)).await;
            let read = read.unwrap_or_else(|_| panic!("{what}: no answer")).unwrap();
            assert_ne!(read, 0, "{what}: it was closed");
            assert!(Instant::now() < until, "{what}: no end");
        }
    }
}

/// Sent byte by byte, with the server's having its turns between them.
#[tokio::test]
async fn a_slow_drip_is_served_in_the_end_and_holds_up_nobody() {
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let bystander = server.client();
    let v2 = super::bytes::v2(super::bytes::request("Echo", 1, CALL, b"\x0a\x02hi"));
    let mut rogue =
        Rogue { stream: TcpStream::connect(server.address).await.unwrap(), input: BytesMut::new() };
    let mut classic = TcpStream::connect(server.address).await.unwrap();
    let mut drips = crate::classic::REQUEST.iter();
    for byte in v2 {
        rogue.stream.write_all(&[byte]).await.unwrap();
        if let Some(byte) = drips.next() {
            classic.write_all(&[*byte]).await.unwrap();
        }
        bystander.echo(&soon(), echo_req("beside it")).await.unwrap();
    }
    assert_eq!(rogue.outcome("a drip").await, Code::Ok);
    let mut answer = [0; crate::classic::RESPONSE.len()];
    timeout(SOON, classic.read_exact(&mut answer)).await.expect("an answer").unwrap();
    assert_eq!(answer, crate::classic::RESPONSE);
    assert!(told.of(COUNTERS).is_empty());
    assert!(said.at(Level::WARN).is_empty(), "{said:?}");
}

/// Pools connect long before they call, so it is nothing to be said.
#[tokio::test]
async fn many_connections_that_say_nothing_harm_nobody() {
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let bystander = server.client();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    bystander.echo(&soon(), echo_req("beside them")).await.unwrap();
    told.wait_for(&[("mprpc_server_connections{}", 201.0)]).await;
    drop(silent);
    told.wait_for(&[("mprpc_server_connections{}", 1.0)]).await;
    assert!(told.of(COUNTERS).is_empty());
    assert!(said.at(Level::WARN).is_empty(), "{said:?}");
    bystander.echo(&soon(), echo_req("after them")).await.unwrap();
}

/// A flood from one address: each is counted, a few are said.
#[tokio::test]
async fn a_flood_of_bad_connections_is_counted_whole_and_said_in_a_few_lines() {
    const FLOOD: usize = 300;
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let bystander = server.client();
    for _ in 0..FLOOD {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(stream);
        bystander.echo(&soon(), echo_req("beside it")).await.unwrap();
    }
    let until = Instant::now() + SOON;
    while told.of(&["mprpc_protocol_errors_total"]).into_values().sum::<f64>() < 300.0 {
        assert!(Instant::now() < until, "{:?}", told.seen);
        sleep(Duration::from_millis(10)).await;
    }
    // Ten in ten seconds; this may take longer on a machine that is busy.
    let warned = said.at(Level::WARN).len();
    assert!((1..FLOOD / 2).contains(&warned), "{warned} lines");
}
