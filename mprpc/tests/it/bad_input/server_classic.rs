//! What arrives at a server that is no v2, or no good classic.

use super::bytes::{classic, classic_header, field, nested};
use super::to_a_server::Reaction::{Closed, Cut, Waits};
use super::to_a_server::{Case, case};

fn echo(arguments: &[u8]) -> Vec<u8> {
    let promised = arguments.len() as u64;
    classic(&classic_header(b"EchoService", b"Echo", promised), arguments)
}

fn promising(arguments: u64) -> Vec<u8> {
    classic(&classic_header(b"EchoService", b"Echo", arguments), &[])
}

fn to(service: &[u8], method: &[u8]) -> Vec<u8> {
    classic(&classic_header(service, method, 0), &[])
}

fn cases() -> Vec<Case> {
    vec![
        case("another protocol", *b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Closed),
        case("TLS", *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Closed),
        case("a preface of another version", *b"MPR3\0\0\0\0", Closed),
        case("half a preface", *b"MP", Cut),
        case("one byte", *b"\0", Cut),
        case("a header of 2^32-1 bytes", [0xff; 4], Closed),
        case("a header of one byte too many", 4097_u32.to_le_bytes(), Closed),
        case("a header of no bytes", [0; 4], Closed),
        case("a header of the maximum without a body", 4096_u32.to_le_bytes(), Waits),
        case("a header that does not parse", *b"\x03\0\0\0\xff\xff\xff", Closed),
        case("a header that is nested too deep", classic(&nested(150), &[]), Closed),
        case("half a header", echo(b"").split_at(9).0, Cut),
        case("arguments of 2^32-1 bytes", promising(u32::MAX.into()), Closed),
        case("arguments of one byte too many", promising(4 * 1024 * 1024 + 1), Closed),
        case("arguments of the maximum without a body", promising(4 * 1024 * 1024), Waits),
        case("half the arguments", echo(b"\x0a\x02hi").split_at(27).0, Cut),
        case("arguments that do not parse", echo(b"\x0a\xffhi"), Closed),
        case("arguments that are nested too deep", echo(&nested(150)), Closed),
        case("an unknown service", to(b"NoSuchService", b"Echo"), Closed),
        case("an unknown method", to(b"EchoService", b"NoSuchMethod"), Closed),
        case("names that are no text", to(b"\xff\xfe", b"\xc0"), Closed),
        case("names that forge a line", to(b"a\nWARN forged", b"\x1b[31m\0\xe2\x80\xa8"), Closed),
        case("no names", classic(&field(4, b""), &[]), Closed),
        case("a method that streams", to(b"EchoService", b"Chat"), Closed),
    ]
}

#[tokio::test]
async fn whatever_arrives_of_the_classic_wire_ends_its_own_connection_only() {
    for case in cases() {
        case.holds().await;
    }
}
