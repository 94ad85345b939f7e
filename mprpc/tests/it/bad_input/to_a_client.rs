//! What arrives at a client from a server that misbehaves.

use std::time::Duration;

use mprpc::{Code, Context};
use mprpc_examples::{ListReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Level;

use super::bytes::{
    CANCEL, CREDIT, DATA, END, GOAWAY, PING, PONG, REQUEST, RESPONSE, SETTINGS, field, frame,
    header, nested, payload, varint,
};
use crate::said::Said;
use crate::support::{Running, SOON, channel, echo_req, soon};
use crate::told::Told;

const MAX: u32 = 4 * 1024 * 1024;

/// What the call ends with, and what else happens.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    /// The connection is closed, which is said and counted; the call fails.
    Closed,
    /// The call ends so, and the connection goes on.
    Ends(Code),
    /// The server has gone; the call ends.
    Gone,
    /// Nothing: the call waits for its deadline.
    Waits,
}

struct Case {
    what: &'static str,
    bytes: Vec<u8>,
    reaction: Reaction,
}

fn case(what: &'static str, bytes: impl Into<Vec<u8>>, reaction: Reaction) -> Case {
    Case { what, bytes: bytes.into(), reaction }
}

use Reaction::{Closed, Ends, Gone, Waits};

/// Behind SETTINGS, for a call whose id is 0.
fn frames() -> Vec<Case> {
    let without = |length, kind, flags| header(length, kind, flags, 0, 0);
    let answer = |head: &[u8], message: &[u8]| frame(RESPONSE, END, 0, &payload(head, message));
    let code = |code: u64| [b"\x08", &varint(code)[..]].concat();
    let credit = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    let of_another = frame(RESPONSE, END, 77, &[0]);
    vec![
        case("a REQUEST", frame(REQUEST, END, 0, &[0]), Closed),
        case("a CANCEL", frame(CANCEL, END, 0, &[]), Closed),
        case("SETTINGS that do not parse", frame(SETTINGS, 0, 0, &[0xff; 9]), Closed),
        case("SETTINGS of 2^32-1 bytes", without(u32::MAX, SETTINGS, 0), Closed),
        case("a PING of 2^32-1 bytes", without(u32::MAX, PING, 0), Closed),
        case("a GOAWAY that does not parse", frame(GOAWAY, 0, 0, &[0xff; 9]), Closed),
        case("DATA for a call that does not stream", frame(DATA, 0, 0, b"x"), Closed),
        case("DATA that ends", frame(DATA, END, 0, &[]), Closed),
        case("DATA of 2^32-1 bytes", without(u32::MAX, DATA, 0), Closed),
        case("CREDIT that is too short", frame(CREDIT, 0, 0, &[0; 7]), Closed),
        case("CREDIT past all bounds", frame(CREDIT, 0, 0, &credit), Closed),
        case("an answer of 2^32-1 bytes", without(u32::MAX, RESPONSE, END), Ends(TOO_LARGE)),
        case("an answer of no bytes", without(0, RESPONSE, END), Ends(Code::Internal)),
        case("a head that does not parse", answer(&[0xff; 5], &[]), Ends(Code::Internal)),
        case("a head that is nested too deep", answer(&nested(150), &[]), Ends(Code::Internal)),
        case("a head that is no text", answer(&field(2, b"\xff"), &[]), Ends(Code::Internal)),
        case("a head beyond its frame", frame(RESPONSE, END, 0, b"\x09"), Ends(Code::Internal)),
        case("a message that does not parse", answer(&[], b"\x0a\xff"), Ends(Code::Internal)),
        case("a message nested too deep", answer(&[], &nested(150)), Ends(Code::Internal)),
        case("a code that nobody knows", answer(&code(99), &[]), Ends(Code::Unknown)),
        case("the highest code", answer(&code(u32::MAX.into()), &[]), Ends(Code::Unknown)),
        case("half an answer", without(9, RESPONSE, END), Gone),
        case("an answer of the maximum, without a body", without(MAX, RESPONSE, END), Waits),
        case("an unknown kind of 2^32-1 bytes", without(u32::MAX, 200, 0), Waits),
        case("an answer for nobody", of_another, Waits),
        case("a PONG that nobody waits for", frame(PONG, 0, 0, b"?"), Waits),
        case("DATA for a call that nobody made", frame(DATA, 0, 77, b"x"), Waits),
    ]
}

const TOO_LARGE: Code = Code::ResourceExhausted;

/// Instead of an answer on the classic wire.
fn classic() -> Vec<Case> {
    let answer = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap();
        [&length.to_le_bytes()[..], bytes].concat()
    };
    vec![
        case("an answer of 2^32-1 bytes", [0xff; 4], Closed),
        case("an answer of one byte too many", (MAX + 1).to_le_bytes(), Closed),
        case("an answer, and more", [answer(b"\x0a\x02hi"), vec![0]].concat(), Closed),
        case("another protocol", *b"HTTP/1.1 400 Bad Request\r\n\r\n", Closed),
        case("an answer that does not parse", answer(b"\x0a\xff"), Ends(Code::Internal)),
        case("an answer nested too deep", answer(&nested(150)), Ends(Code::Internal)),
        case("half an answer", answer(b"\x0a\x02hi").split_at(5).0, Gone),
        case("half a length", *b"\x04\0", Gone),
        case("an answer of the maximum, without a body", MAX.to_le_bytes(), Waits),
    ]
}

/// A server that answers one request, whatever it is, with these bytes. It listens no more once
/// somebody has come.
async fn rogue(wire: &str, bytes: Vec<u8>, leaves: bool) -> (String, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("static://{}?wire={wire}", listener.local_addr().unwrap());
    let v2 = wire == "v2";
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        if v2 {
            stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        }
        let mut read = Vec::new();
        while !read.windows(4).any(|bytes| bytes == b"Echo" || bytes == b"List") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "no request");
        }
        stream.write_all(&bytes).await.unwrap();
        if leaves {
            stream.shutdown().await.unwrap();
        }
        stream
    });
    (target, serving)
}

async fn holds(wire: &'static str, case: Case) {
    let Case { what, bytes, reaction } = case;
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let bystander = server.client();
    bystander.echo(&soon(), echo_req("before")).await.unwrap();
    let (target, serving) = rogue(wire, bytes, matches!(reaction, Gone)).await;
    let client = echo_service::Client::new(&channel(&target));
    let mut call = tokio::spawn(async move { client.echo(&soon(), echo_req("hi")).await });
    let mut stream = timeout(SOON, serving).await.expect(what).expect(what);
    let status = match reaction {
        Waits => {
            assert!(timeout(Duration::from_millis(300), &mut call).await.is_err(), "{what}");
            call.abort();
            None
        }
        _ => Some(call.await.unwrap().expect_err(what)),
    };
    bystander.echo(&soon(), echo_req("after")).await.unwrap();
    let code = match reaction {
        Closed => Some(Code::Internal),
        Ends(code) => Some(code),
        Gone => Some(Code::Unavailable),
        Waits => None,
    };
    assert_eq!(status.as_ref().map(mprpc::Status::code), code, "{what}: {status:?}");

    let closed = matches!(reaction, Closed);
    if closed {
        // A reset closes it too.
        let mut rest = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect(what);
    }
    let counted = told.of(&["mprpc_client_protocol_errors_total"]);
    let expected =
        closed.then(|| (format!("mprpc_client_protocol_errors_total{{wire={wire}}}"), 1.0));
    assert_eq!(counted, expected.into_iter().collect(), "{what}");
    // That it is not reached any more, once it listens no longer, is another matter.
    let mut warned = said.at(Level::WARN);
    warned.retain(|line| line.contains("peer="));
    assert_eq!(warned.len(), usize::from(closed), "{what}: {warned:?}");
    assert!(said.are_lines(), "{what}: {said:?}");
    assert!(said.at(Level::ERROR).is_empty(), "{what}: {said:?}");
}

#[tokio::test]
async fn whatever_a_server_answers_on_v2_ends_its_own_calls_or_its_own_connection_only() {
    for case in frames() {
        holds("v2", case).await;
    }
}

#[tokio::test]
async fn whatever_a_classic_server_answers_ends_its_own_call_only() {
    for case in classic() {
        holds("classic", case).await;
    }
}

/// It takes no SETTINGS of another protocol for a server.
#[tokio::test]
async fn a_server_of_another_protocol_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("static://{}", listener.local_addr().unwrap());
    let client = echo_service::Client::new(&channel(&target));
    let call = tokio::spawn(async move {
        client.echo(&Context::with_timeout(Duration::from_millis(300)), echo_req("x")).await
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
    let status = timeout(SOON, call).await.expect("it ends").unwrap().unwrap_err();
    let (stage, executed) = (mprpc::Stage::Connect, mprpc::Executed::No);
    assert_eq!((status.stage(), status.executed()), (stage, executed), "{status}");
}

#[tokio::test]
async fn a_server_that_streams_past_the_credit_ends_its_own_connection_only() {
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let bystander = server.client();
    bystander.echo(&soon(), echo_req("before")).await.unwrap();
    let flood = frame(DATA, 0, 0, &field(1, &[7; 60_000])).repeat(3);
    let (target, serving) = rogue("v2", flood, false).await;
    let client = echo_service::Client::new(&channel(&target));
    let mut answers = client.list(&soon(), ListReq { count: 3, size: 60_000 }).await.unwrap();
    // Nobody reads meanwhile.
    let mut stream = timeout(SOON, serving).await.expect("it is called").unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is closed");
    // What came within the credit is read, and then the end.
    assert_eq!(answers.next().await.unwrap().unwrap().payload.len(), 60_000);
    assert_eq!(answers.next().await.unwrap().unwrap().payload.len(), 60_000);
    assert_eq!(answers.next().await.unwrap_err().code(), Code::Internal);
    bystander.echo(&soon(), echo_req("after")).await.unwrap();
    let counted = told.of(&["mprpc_client_protocol_errors_total"]);
    assert_eq!(counted, [("mprpc_client_protocol_errors_total{wire=v2}".to_owned(), 1.0)].into());
    let warned = said.at(Level::WARN);
    assert_eq!(warned.iter().filter(|line| line.contains("peer=")).count(), 1, "{warned:?}");
}
