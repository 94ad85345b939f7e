//! How a connection begins: what the client speaks, and TLS, if it does.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;

use super::connections::Connections;
use crate::transport::{self, CountedStream, v2_server};
use crate::wire::v2::offer::Offer;
use crate::wire::v2::server::Frames;
use crate::wire::{Begun, Wire, detect};
use crate::{Address, Caller, Status};

/// What is known of a connection once its client has begun to speak.
pub(super) struct Greeted {
    pub(super) stream: CountedStream,
    pub(super) wire: Wire,
    /// What it has said so far.
    pub(super) input: BytesMut,
    /// Its place among those who have still to show who they are.
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// Who it is by the certificate that it has shown.
    pub(super) certified: Option<Caller>,
}

/// Finds out what the client speaks, and makes the handshake of TLS. Nothing if the connection is
/// over before it has begun.
///
/// # Errors
/// The client may not speak it, or not from there.
pub(super) async fn greet(
    mut stream: CountedStream,
    peer: &Address,
    connections: &Connections,
) -> io::Result<Option<Greeted>> {
    // A classic pool may connect long before it calls.
    let soon = connections.callers.expect_soon(peer);
    let place = soon.then(|| connections.place_of_a_stranger(peer)).transpose()?;
    let Some((begun, input)) = first_bytes(&mut stream, soon, connections).await? else {
        return Ok(None);
    };
    match begun {
        Begun::Wire(Wire::Classic) if !connections.callers.take_classic(peer) => {
            Err(kept_out("classic callers are not taken from there"))
        }
        Begun::Wire(Wire::V2) if connections.takes_tls_only(peer) => {
            let reason = "the server takes calls in TLS only";
            Box::pin(turn_away(stream, reason)).await;
            Err(kept_out(reason))
        }
        Begun::Wire(wire) => Ok(Some(Greeted { stream, wire, input, place, certified: None })),
        Begun::Tls => {
            let place = place.map_or_else(|| connections.place_of_a_stranger(peer), Ok)?;
            // Boxed: a handshake takes room that nothing needs afterwards.
            Box::pin(secure(stream, input, place, connections)).await
        }
    }
}

/// Waits for what tells what the client speaks, and answers that and what was read.
async fn first_bytes(
    stream: &mut CountedStream,
    soon: bool,
    connections: &Connections,
) -> io::Result<Option<(Begun, BytesMut)>> {
    let mut input = BytesMut::new();
    let begun = begun(stream, &mut input, connections);
    let begun = if soon {
        let late = |_| kept_out("it has said nothing");
        tokio::time::timeout(v2_server::SHOW_MAX, begun).await.map_err(late)?
    } else {
        begun.await
    };
    Ok(begun?.map(|begun| (begun, input)))
}

/// Nothing if the client goes before it has said that, or the server does.
async fn begun(
    stream: &mut CountedStream,
    input: &mut BytesMut,
    connections: &Connections,
) -> io::Result<Option<Begun>> {
    loop {
        if let Some(begun) = detect(input) {
            return Ok(Some(begun));
        }
        tokio::select! {
            biased;
            read = stream.read_buf(input) => if read? == 0 {
                return if input.is_empty() { Ok(None) } else { Err(transport::cut()) };
            },
            () = connections.silence() => if stream.stream().is_quiet()? { return Ok(None) },
        }
    }
}

/// Tells a v2 client why it is not served, as far as it listens.
async fn turn_away(mut stream: CountedStream, reason: &'static str) {
    let mut output = BytesMut::new();
    let frames = Frames::<()>::new(0, Offer::default(), &mut output);
    frames.go_away(&Status::failed_precondition(reason), &mut output);
    // A socket that was just opened has room for it.
    if stream.write_all(&output).await.is_ok() {
        transport::say_goodbye(&mut stream).await;
    }
}

fn kept_out(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

fn no_tls() -> io::Error {
    let text = "the client speaks TLS, for which this server has no certificate";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Makes the handshake, and looks that v2 is spoken within.
#[cfg(feature = "tls")]
async fn secure(
    stream: CountedStream,
    said: BytesMut,
    place: OwnedSemaphorePermit,
    connections: &Connections,
) -> io::Result<Option<Greeted>> {
    use crate::transport::{Secured, Stream};

    let (Some(tls), Stream::Tcp(socket)) = (&connections.tls, stream.into_stream()) else {
        return Err(no_tls());
    };
    let handshake = async { Secured::accept(socket, &said, tls.config().await).await };
    let handshake = tokio::time::timeout(v2_server::SHOW_MAX, handshake).await;
    let secured = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let secured = secured.map_err(|error| {
        metrics::counter!("mprpc_tls_handshake_failures_total").increment(1);
        kept_out(format!("the TLS handshake failed: {error}"))
    })?;
    let certified = secured.has_certified_peer().then(Caller::with_certificate);
    let mut stream = CountedStream::of_server(Stream::Tls(Box::new(secured)));
    match first_bytes(&mut stream, true, connections).await? {
        None => Ok(None),
        Some((Begun::Wire(wire @ Wire::V2), input)) => {
            Ok(Some(Greeted { stream, wire, input, place: Some(place), certified }))
        }
        Some(_) => Err(kept_out("only v2 is spoken within TLS")),
    }
}

#[cfg(not(feature = "tls"))]
async fn secure(
    _: CountedStream,
    _: BytesMut,
    _: OwnedSemaphorePermit,
    _: &Connections,
) -> io::Result<Option<Greeted>> {
    Err(no_tls())
}

impl Connections {
    /// Whether v2 is not taken from there without TLS.
    #[cfg(feature = "tls")]
    fn takes_tls_only(&self, peer: &Address) -> bool {
        peer.tcp().is_some() && self.tls.as_ref().is_some_and(crate::ServerTls::is_only)
    }

    #[cfg(not(feature = "tls"))]
    fn takes_tls_only(&self, _: &Address) -> bool {
        false
    }
}
