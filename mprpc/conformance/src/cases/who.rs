//! Callers that have not shown who they are.

use std::time::Duration;

use mprpc::{Channel, Code, Token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::failure::{Failure, failed};
use super::{Peer, call};
use crate::{Empty, test_service};

/// How long somebody may stay who has called and did not show anything.
const STAYS_MAX: Duration = Duration::from_secs(20);

/// The preface, and SETTINGS that say nothing.
const BEGINS: &[u8] = b"MPR2\0\0\0\0\x01\0\0\0\0\0\0\0";

/// The kind of a GOAWAY, and how its payload begins: `code = 16`, UNAUTHENTICATED.
const GOAWAY: u8 = 7;
const CODE: &[u8] = b"\x08\x10";

pub(super) async fn a_stranger_is_refused(peer: Peer) -> Result<(), Failure> {
    let other = Token::new("conformance-does-not-know-it").map_err(other)?;
    for token in [None, Some(other)] {
        let mut channel = Channel::builder(&peer.target);
        if let Some(token) = &token {
            channel = channel.token(token).token_in_clear(true);
        }
        let channel = channel.build().map_err(self::other)?;
        // Also what is not served, which is not its business.
        let strange = channel.service(&super::unserved::NO_SUCH_SERVICE);
        failed(strange.unary::<_, Empty>(&call(), 0, &Empty {}).await, Code::Unauthenticated)?;
        let client = test_service::Client::new(&channel);
        failed(client.empty_call(&call(), Empty {}).await, Code::Unauthenticated)?;
    }
    super::unary::empty_unary(peer).await
}

pub(super) async fn a_stranger_is_asked_to_go(peer: Peer) -> Result<(), Failure> {
    let address = peer.address().ok_or_else(|| Failure::new("needs a target static://"))?;
    let mut stream = TcpStream::connect(address).await.map_err(other)?;
    stream.write_all(BEGINS).await.map_err(other)?;
    let path = b"\x0a\x0eno.Such/Method";
    let request = [&b"\x11\0\0\0\x02\x01\0\0\0\0\0\0\x10"[..], path].concat();
    stream.write_all(&request).await.map_err(other)?;
    let mut heard = Vec::new();
    let stays = |_| Failure::new(format!("it may stay for {STAYS_MAX:?}"));
    // A reset is an end, too.
    let _ = tokio::time::timeout(STAYS_MAX, stream.read_to_end(&mut heard)).await.map_err(stays)?;
    let frames = frames(&heard);
    let asked = frames.iter().any(|(kind, payload)| *kind == GOAWAY && payload.starts_with(CODE));
    if asked { Ok(()) } else { Err(Failure::new(format!("it was not asked to go: {frames:?}"))) }
}

/// The whole frames that were heard, each by its kind and its payload.
fn frames(mut heard: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = heard.split_first_chunk::<12>() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let Some((payload, rest)) = rest.split_at_checked(length as usize) else { break };
        frames.push((header[4], payload));
        heard = rest;
    }
    frames
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}
