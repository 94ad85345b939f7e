//! A connection in memory: two flows of bytes, one each way.
//!
//! Each flow is bounded as a socket's buffers are. A fault holds bytes up rather than to lose them:
//! TCP would send them again, and they arrive once the fault is healed.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;
use tokio::time::{Instant, Sleep};

/// How much a flow holds before its writer waits, in bytes.
const FLOW_BYTES_MAX: usize = 256 * 1024;

/// What happens to the bytes of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weather {
    /// How long bytes take, either way.
    pub(super) latency: Duration,
    /// Whether those to the server are held up, and those from it.
    pub(super) held: [bool; 2],
}

/// What the two ends of a connection share.
#[derive(Debug)]
pub(super) struct Link(Mutex<State>);

#[derive(Debug)]
struct State {
    /// To the server, and from it.
    flows: [Flow; 2],
    latency: Duration,
    /// Whether the connection broke.
    broken: bool,
}

#[derive(Debug, Default)]
struct Flow {
    /// What was written, and when it arrives.
    segments: VecDeque<(Instant, BytesMut)>,
    bytes: usize,
    held: bool,
    /// Whether no more will be written, and whether nobody will read.
    ended: bool,
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Flow {
    fn wake(&mut self) {
        let both = [self.reader.take(), self.writer.take()];
        both.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Link {
    pub(super) fn new(weather: Weather) -> Arc<Self> {
        let flow = |held| Flow { held, ..Flow::default() };
        let flows = weather.held.map(flow);
        Arc::new(Self(Mutex::new(State { flows, latency: weather.latency, broken: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, weather: Weather) {
        let state = &mut *self.state();
        state.latency = weather.latency;
        for (flow, held) in state.flows.iter_mut().zip(weather.held) {
            flow.held = held;
            flow.wake();
        }
    }

    /// Breaks it, as a reset would: what had not been read is gone.
    pub(super) fn reset(&self) {
        let state = &mut *self.state();
        state.broken = true;
        state.flows.iter_mut().for_each(Flow::wake);
    }

    /// Whether both ends are there.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state();
        !state.broken && !state.flows.iter().any(|flow| flow.unread)
    }

    /// The client's end and the server's.
    pub(super) fn ends(self: &Arc<Self>) -> [Pipe; 2] {
        [(0, 1), (1, 0)].map(|(to, from)| Pipe { link: Arc::clone(self), to, from, arrival: None })
    }
}

/// One end of a connection in memory.
#[derive(Debug)]
pub(crate) struct Pipe {
    link: Arc<Link>,
    /// The flow that it writes, and the one that it reads.
    to: usize,
    from: usize,
    /// Armed for the next bytes that are on their way.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl Pipe {
    /// How much may have come that was not read.
    pub(crate) const UNREAD_BYTES_MAX: usize = FLOW_BYTES_MAX;

    /// Whether nothing has come that was not read, and the other end is there.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = self.link.state();
        let from = &state.flows[self.from];
        !state.broken && !from.ended && from.bytes == 0
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let turn = ready!(coop::poll_proceed(cx));
        let this = self.get_mut();
        let mut state = this.link.state();
        if state.broken {
            return Poll::Ready(Err(reset()));
        }
        let flow = &mut state.flows[this.from];
        let mut read = 0;
        while !flow.held
            && buf.remaining() > 0
            && let Some((at, segment)) = flow.segments.front_mut()
        {
            // Without latency they are there, and nobody need look at the clock.
            if let Some(arrival) = &mut this.arrival {
                if arrival.deadline() != *at {
                    arrival.as_mut().reset(*at);
                }
                if arrival.as_mut().poll(cx).is_pending() {
                    break;
                }
            } else if *at > Instant::now() {
                this.arrival = Some(Box::pin(tokio::time::sleep_until(*at)));
                continue;
            }
            let bytes = segment.len().min(buf.remaining());
            buf.put_slice(&segment[..bytes]);
            segment.advance(bytes);
            read += bytes;
            if segment.is_empty() {
                flow.segments.pop_front();
            }
        }
        if read == 0 {
            let end = flow.ended && flow.bytes == 0 && !flow.held;
            if buf.remaining() > 0 && !end {
                flow.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        flow.bytes -= read;
        if let Some(writer) = flow.writer.take() {
            writer.wake();
        }
        turn.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let turn = ready!(coop::poll_proceed(cx));
        let mut state = self.link.state();
        if state.broken {
            return Poll::Ready(Err(reset()));
        }
        let at = Instant::now() + state.latency;
        // What is held up on the way back is also the news that nobody reads any more.
        let unheard = state.flows[self.from].held;
        let flow = &mut state.flows[self.to];
        if flow.ended || (flow.unread && !unheard) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = FLOW_BYTES_MAX - flow.bytes;
        if room == 0 && !bytes.is_empty() {
            flow.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = &bytes[..bytes.len().min(room)];
        match flow.segments.back_mut() {
            // None overtakes those before it, should the latency have changed.
            Some((last, segment)) if *last >= at => segment.extend_from_slice(bytes),
            _ => flow.segments.push_back((at, bytes.into())),
        }
        flow.bytes += bytes.len();
        if let Some(reader) = flow.reader.take() {
            reader.wake();
        }
        turn.made_progress();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flow = &mut self.link.state().flows[self.to];
        flow.ended = true;
        flow.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.flows[self.to].ended = true;
        let from = &mut state.flows[self.from];
        from.unread = true;
        from.segments.clear();
        from.bytes = 0;
        state.flows.iter_mut().for_each(Flow::wake);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair(weather: Weather) -> (Arc<Link>, Pipe, Pipe) {
        let link = Link::new(weather);
        let [client, server] = link.ends();
        (link, client, server)
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_in_order_after_the_latency_and_before_the_end() {
        let latency = Duration::from_millis(40);
        let (link, mut client, mut server) = pair(Weather { latency, ..Weather::default() });
        let began = Instant::now();
        client.write_all(b"slow ").await.unwrap();
        link.set(Weather::default());
        client.write_all(b"fast").await.unwrap();
        drop(client);
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!((all.as_str(), began.elapsed()), ("slow fast", latency));
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_waits_for_its_reader_at_the_bound() {
        let (_, mut client, mut server) = pair(Weather::default());
        let all = vec![7; 3 * FLOW_BYTES_MAX];
        let writing = tokio::spawn(async move { client.write_all(&all).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.link.state().flows[0].bytes, FLOW_BYTES_MAX);
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 3 * FLOW_BYTES_MAX);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_up_arrives_when_it_is_let_go_and_the_other_way_is_open() {
        let (link, mut client, mut server) =
            pair(Weather { held: [true, false], ..Weather::default() });
        client.write_all(b"held").await.unwrap();
        server.write_all(b"open").await.unwrap();
        let mut four = [0; 4];
        client.read_exact(&mut four).await.unwrap();
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, server.read_exact(&mut four)).await.is_err());
        link.set(Weather::default());
        server.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"held");
    }

    #[tokio::test]
    async fn a_reset_ends_both_ends_at_once() {
        let (link, mut client, mut server) = pair(Weather::default());
        client.write_all(b"lost").await.unwrap();
        link.reset();
        for end in [&mut client, &mut server] {
            assert_eq!(
                end.read(&mut [0; 4]).await.unwrap_err().kind(),
                io::ErrorKind::ConnectionReset
            );
            assert!(end.write_all(b"x").await.is_err());
        }
    }

    #[tokio::test]
    async fn the_end_of_what_is_written_leaves_the_other_way_open() {
        let (_, mut client, mut server) = pair(Weather::default());
        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert!(!client.is_quiet());
        all.clear();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"answer");
    }
}
