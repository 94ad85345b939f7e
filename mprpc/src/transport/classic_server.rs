//! The server's end of a classic connection: requests one after the other, answers in their order.
//!
//! The wire has no way to say that a call failed, so a call that ends with a status (an unknown
//! method, arguments that do not parse, a handler's error, its deadline) ends the connection: the
//! caller fails at once instead of waiting for an answer that will not come.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::READ_BYTES;
use crate::server::{Connections, Services};
use crate::wire::classic::{self, Request, RequestDecoder};
use crate::wire::v2::frame::FRAME_BYTES_MAX;
use crate::{Context, Metadata, Status};

/// How much is written at once when a client pipelines, in bytes.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Serves a connection until the client closes it, the server stops, or a call fails.
///
/// A connection is not closed for being idle: the original's pool writes without looking.
pub(crate) async fn serve(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    mut input: BytesMut,
    server: &Connections,
) -> io::Result<()> {
    let mut decoder = RequestDecoder::new(FRAME_BYTES_MAX);
    let mut output = BytesMut::new();
    loop {
        while let Some(request) = decoder.decode(&mut input).map_err(invalid)? {
            let answered = answer(
                &server.services,
                peer,
                request,
                server.default_timeout,
                &mut output,
            )
            .await;
            if let Err(refused) = answered {
                // Those before it in the pipeline did succeed.
                io.write_all(&output).await?;
                return Err(invalid(refused));
            }
            if output.len() >= OUTPUT_BYTES_MAX {
                flush(&mut io, &mut output).await?;
            }
        }
        flush(&mut io, &mut output).await?;
        if server.stopping.is_cancelled() {
            return Ok(());
        }
        input.reserve(if input.is_empty() {
            IDLE_BYTES
        } else {
            READ_BYTES
        });
        tokio::select! {
            read = io.read_buf(&mut input) => if read? == 0 { return Ok(()) },
            () = server.stopping.cancelled(), if input.is_empty() => return Ok(()),
        }
    }
}

/// What an idle connection keeps for its next request, in bytes: pools hold many of them.
const IDLE_BYTES: usize = 4096;

async fn flush(io: &mut (impl AsyncWrite + Unpin), output: &mut BytesMut) -> io::Result<()> {
    io.write_all(output).await?;
    output.clear();
    Ok(())
}

/// Runs one call and appends its answer.
async fn answer(
    services: &Services,
    peer: SocketAddr,
    request: Request,
    timeout: Duration,
    output: &mut BytesMut,
) -> Result<(), String> {
    let service = String::from_utf8_lossy(&request.service);
    let name = String::from_utf8_lossy(&request.method);
    let method = services
        .find_short(&service, &name)
        .ok_or_else(|| format!("{:?} is not served here", format!("{service}/{name}")))?;
    let deadline = Instant::now() + timeout;
    let cx = Context::received(deadline, peer, Metadata::default());
    let start = classic::begin_response(output);
    let ended = async {
        let mut handler = method.call(cx, request.args)?;
        std::future::poll_fn(|cx| handler.poll_reply(cx, output)).await
    };
    let ended = tokio::time::timeout_at(deadline, ended)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the handler was stopped")));
    if let Err(status) = ended {
        output.truncate(start);
        return Err(format!("{} ended with {status}", method.path()));
    }
    classic::end_response(output, start);
    Ok(())
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
