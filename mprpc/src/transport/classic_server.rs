//! The server's end of a classic connection: requests one after the other, answers in their order.
//!
//! The wire has no way to say that a call failed, so a call that ends with a status (an unknown
//! method, arguments that do not parse, a handler's error, its deadline) ends the connection: the
//! caller fails at once instead of waiting for an answer that will not come.

use std::io::{self, ErrorKind::WriteZero};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::poll;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::{CountedStream, READ_BYTES};
use crate::context::Origin;
use crate::server::{Arrival, Connections, Method, Places};
use crate::service::{Call, Kind};
use crate::wire::Wire;
use crate::wire::classic::{self, Request, RequestDecoder};
use crate::wire::v2::compression::Body;
use crate::wire::v2::frame::FRAME_BYTES_MAX;
use crate::{Address, Context, Metadata, Status};

/// How much is written at once when a client pipelines, in bytes.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// What an idle connection keeps for its next request, in bytes: pools hold many of them.
const IDLE_BYTES: usize = 4096;

/// How long a client has to take the last answers of a connection that ends with a refusal.
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection until the client closes it, the server stops, or a call fails.
///
/// A connection is not closed for being idle: the original's pool writes without looking.
pub(crate) async fn serve(
    io: CountedStream,
    peer: Address,
    input: BytesMut,
    server: &Connections,
) -> io::Result<()> {
    let decoder = RequestDecoder::new(FRAME_BYTES_MAX);
    let output = BytesMut::new();
    let origin = server.origin(peer, Wire::Classic);
    let places = server.at_work.places();
    let mut connection =
        Connection { io, origin, server, places, decoder, input, output, pipelines: false };
    match connection.run().await {
        Ok(()) => Ok(()),
        Err(End::Broken(error)) => Err(error),
        Err(End::Refused(reason)) => {
            // However that goes: the refusal is what ended it, and what is said of it.
            let _ = connection.say_goodbye().await;
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

/// Why a connection cannot go on.
enum End {
    Broken(io::Error),
    /// A request that the wire has no answer for.
    Refused(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

struct Connection<'a> {
    io: CountedStream,
    origin: Arc<Origin>,
    server: &'a Connections,
    /// Of the server's bound on calls.
    places: Places,
    decoder: RequestDecoder,
    input: BytesMut,
    /// Answers that are still to be written.
    output: BytesMut,
    /// Whether the client has sent a request before it had the answer to another.
    pipelines: bool,
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<(), End> {
        // How much more is read, once the server stops.
        let mut rest = None;
        loop {
            let answered = self.answer_whole_requests().await?;
            self.places.keep(0);
            self.io.write_all_buf(&mut self.output).await?;
            let idle = self.input.is_empty() && !self.decoder.has_begun();
            // Right behind an answer a caller is least likely to have sent another request: it can
            // see that the connection is closed before it does.
            if answered && self.server.stopping.is_cancelled() {
                let all_has_come = idle && self.io.stream().is_quiet()?;
                // What had come when the server stopped is served, and no more of a client that
                // never pauses.
                if all_has_come || *rest.get_or_insert(self.io.stream().unread_max()?) == 0 {
                    return self.leave().await;
                }
            }
            if idle {
                // Also lets go of what a large request or answer took.
                self.input = BytesMut::with_capacity(IDLE_BYTES);
                self.output = BytesMut::new();
            } else {
                self.input.reserve(READ_BYTES);
            }
            tokio::select! {
                // A request that has come is served, whenever the server stops.
                biased;
                read = self.io.read_buf(&mut self.input) => match read? {
                    0 if idle => return Ok(()),
                    0 => return Err(super::cut().into()),
                    bytes => rest = rest.map(|rest: usize| rest.saturating_sub(bytes)),
                },
                () = self.server.silence(), if idle => {
                    // The last look, as close to the end as can be: a caller whose request is
                    // lost here cannot know that it was not executed.
                    if self.io.stream().is_quiet()? {
                        return self.leave().await;
                    }
                }
            }
        }
    }

    /// Nothing is to be answered when the server stops.
    ///
    /// More may be on its way from a client that does not wait for answers. It is lost, but must not
    /// take with it the answers that were given.
    async fn leave(&mut self) -> Result<(), End> {
        if self.pipelines {
            self.say_goodbye().await?;
        }
        Ok(())
    }

    /// Whether there were any.
    async fn answer_whole_requests(&mut self) -> Result<bool, End> {
        let mut answered = false;
        loop {
            let request = self.decoder.decode(&mut self.input);
            let Some(request) = request.map_err(|error| End::Refused(error.to_string()))? else {
                return Ok(answered);
            };
            answered = true;
            self.pipelines |= !self.input.is_empty() || !self.output.is_empty();
            self.answer(request).await?;
            if self.output.len() >= OUTPUT_BYTES_MAX {
                // Nothing is at work while a client takes its time to read.
                self.places.keep(0);
                self.io.write_all_buf(&mut self.output).await?;
            }
        }
    }

    /// Runs one call and appends its answer.
    async fn answer(&mut self, request: Request) -> Result<(), End> {
        let service = String::from_utf8_lossy(&request.service);
        let name = String::from_utf8_lossy(&request.method);
        let Some(method) = self.server.services.find_short(&service, &name) else {
            let path = format!("{service}/{name}");
            return Err(End::Refused(format!("{path:?} is not served here")));
        };
        if method.kind() != Kind::Unary {
            let path = method.path();
            return Err(End::Refused(format!("{path} streams, which the classic wire cannot")));
        }
        let now = Instant::now();
        let deadline = now + self.server.default_timeout;
        self.wait_for_place(&method, deadline).await?;
        let cx = Context::received(deadline, Arc::clone(&self.origin), Metadata::default());
        let mut handler = method
            .clone()
            .call(cx, Body::Plain(request.args), None, Arrival { read_at: now, timed: false })
            .map_err(|status| failed(&method, &status))?;

        // One that answers at once does so straight into the output.
        let start = classic::begin_response(&mut self.output);
        match poll!(std::future::poll_fn(|cx| handler.poll_reply(cx, &mut self.output))) {
            Poll::Ready(Ok(())) => {
                classic::end_response(&mut self.output, start);
                Ok(())
            }
            Poll::Ready(Err(status)) => {
                self.output.truncate(start);
                Err(failed(&method, &status))
            }
            Poll::Pending => {
                self.output.truncate(start);
                self.wait_for(&method, handler, deadline).await
            }
        }
    }

    /// Waits until the server has room for one more call. Earlier answers do not wait for it.
    async fn wait_for_place(&mut self, method: &Method, deadline: Instant) -> Result<(), End> {
        if method.is_always_taken() || self.places.has_one_beside(0) {
            return Ok(());
        }
        let Self { io, input, output, places, server, .. } = self;
        let taken = async {
            let taken = tokio::time::timeout_at(deadline, places.wait()).await;
            taken.map_err(|_| failed(method, &Status::deadline_exceeded("it waited for its turn")))
        };
        attended(io, input, output, server, taken).await
    }

    /// Waits for a handler that is not ready. Earlier answers do not wait for it, nor it for a
    /// client that is slow to take them.
    async fn wait_for(
        &mut self,
        method: &Method,
        mut handler: Call,
        deadline: Instant,
    ) -> Result<(), End> {
        self.places.keep(1);
        let mut answer = BytesMut::new();
        let start = classic::begin_response(&mut answer);
        let buffer = &mut answer;
        let handled = std::future::poll_fn(move |cx| handler.poll_reply(cx, buffer));
        let handled = async {
            tokio::time::timeout_at(deadline, handled)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("the handler was stopped")))
                .map_err(|status| failed(method, &status))
        };
        let Self { io, input, output, server, .. } = self;
        attended(io, input, output, server, handled).await?;
        classic::end_response(&mut answer, start);
        if self.output.is_empty() {
            self.output = answer;
        } else {
            self.output.extend_from_slice(&answer);
        }
        Ok(())
    }

    /// Ends a connection so that the answers that were given arrive: closing a socket that holds
    /// unread bytes throws away what it was still to send.
    async fn say_goodbye(&mut self) -> io::Result<()> {
        self.places.keep(0);
        let goodbye = async {
            self.io.write_all_buf(&mut self.output).await?;
            self.io.shutdown().await?;
            loop {
                self.input.clear();
                self.input.reserve(READ_BYTES);
                if self.io.read_buf(&mut self.input).await? == 0 {
                    return Ok(());
                }
            }
        };
        // A client that does not go has had its time.
        tokio::time::timeout(LINGER, goodbye).await.unwrap_or(Ok(()))
    }
}

/// Waits for `work`. Meanwhile earlier answers go out; and if the client hangs up, it ends, since
/// nobody waits for what comes of it.
async fn attended<T>(
    io: &mut CountedStream,
    input: &mut BytesMut,
    output: &mut BytesMut,
    server: &Connections,
    work: impl Future<Output = Result<T, End>>,
) -> Result<T, End> {
    // What comes after that is the business of who decides what is still served.
    let watched = !server.stopping.is_cancelled();
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        while !output.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, output)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(WriteZero).into())),
                Poll::Ready(bytes) => output.advance(bytes),
                Poll::Pending => break,
            }
        }
        // The end can be seen as long as not much stands before it.
        while watched && input.len() < IDLE_BYTES {
            input.reserve(IDLE_BYTES);
            match poll_read_buf(Pin::new(&mut *io), cx, input)? {
                Poll::Ready(0) => return Poll::Ready(Err(super::cut().into())),
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        work.as_mut().poll(cx)
    })
    .await
}

fn failed(method: &Method, status: &Status) -> End {
    End::Refused(format!("{} ended with {status}", method.path()))
}
