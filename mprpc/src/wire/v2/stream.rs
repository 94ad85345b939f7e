//! One stream as one side of the connection sees it, and what all streams of a connection share.
//!
//! Invariants:
//!
//! 1. What came and was not taken stands in the stream's inbox, in the order in which it came, and
//!    is bounded by its window and the connection's. Each message's cost comes back once: when it is
//!    taken, or when nobody will.
//! 2. A message goes out only while both credits are above zero. One that its stream's credit does not
//!    cover goes out only while the connection has much: what is less is for those that are covered.
//!    So neither large windows nor long messages of streams that stall take all of it.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::compression::Body;
use super::flow::{self, Credit, Grant, Window, Windows};
use super::frame::{self, FRAME_BYTES_MAX, Header, Kind};
use super::head::Settings;
use super::waiting::{Ticket, Waiting};
use crate::Status;

/// A message to be sent, whatever its type.
pub(crate) trait Outgoing {
    /// How long it is, uncompressed.
    fn bytes(&self) -> usize;
    /// Appends it as it is sent. Its length is known by then, which takes time to find out.
    fn write(&self, bytes: usize, out: &mut BytesMut);
    /// What its frame's flags say of it.
    fn flags(&self) -> u8 {
        0
    }
}

impl<M: Message> Outgoing for M {
    fn bytes(&self) -> usize {
        self.encoded_len()
    }

    fn write(&self, bytes: usize, out: &mut BytesMut) {
        out.reserve(bytes);
        self.encode_raw(out);
    }
}

/// Adds a waker to those that wait, once: who waits may be polled often.
pub(super) fn wait(waiting: &mut Vec<Waker>, waker: &Waker) {
    if !waiting.iter().any(|stored| stored.will_wake(waker)) {
        waiting.push(waker.clone());
    }
}

fn store(stored: &mut Option<Waker>, waker: &Waker) {
    match stored {
        Some(stored) => stored.clone_from(waker),
        none => *none = Some(waker.clone()),
    }
}

/// In which directions a call carries streams of messages, as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Directions {
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

/// What becomes of messages that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    /// They wait for the reader.
    Open,
    /// None may come any more.
    Ended,
    /// They are dropped: the reader has gone.
    Unread,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    inbox: VecDeque<Body>,
    window: Window,
    receiving: Receiving,
    credit: Credit,
    sends: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Its writer's place among those that wait for the connection's credit.
    ticket: Ticket,
}

/// What comes of asking for the next message.
pub(super) enum Next {
    Message(Body),
    /// None is here; more may come.
    Nothing,
    /// The other side has sent its last.
    End,
}

impl Stream {
    /// Whether this side may send messages.
    pub(super) fn sends(&self) -> bool {
        self.sends
    }

    /// This side sends no more.
    pub(super) fn stop_sending(&mut self) {
        self.sends = false;
    }

    /// Who is to be woken when a message or the end has come.
    pub(super) fn wait_to_read(&mut self, waker: &Waker) {
        store(&mut self.reader, waker);
    }

    /// Who is to be woken when there is credit, and, whatever else they wait for, at the end.
    pub(super) fn wait_to_write(&mut self, waker: &Waker) {
        store(&mut self.writer, waker);
    }

    /// The other side sends no more.
    pub(super) fn end_received(&mut self, woken: &mut Vec<Waker>) -> Result<(), String> {
        if self.receiving == Receiving::Ended {
            return Err("DATA with END for a stream that has ended".to_owned());
        }
        self.receiving = Receiving::Ended;
        woken.extend(self.reader.take());
        Ok(())
    }

    /// Wakes whoever waits on it, since the call is over.
    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.reader.take());
        woken.extend(self.writer.take());
    }
}

/// What the streams of a connection share.
#[derive(Debug)]
pub(super) struct Link {
    windows: Windows,
    window: Window,
    credit: Credit,
    /// What the connection must have for a message that its stream's credit does not cover.
    plenty: i64,
    /// How much more the windows of all streams may have together.
    growth: i64,
    /// What the other side lets each stream begin with.
    peer_stream_window: u32,
    peer_frame_bytes_max: u32,
    /// Whether the other side's first SETTINGS were applied.
    settled: bool,
    waiting: Waiting,
}

/// More than what is left to streams that stall, and less than what a sender has when all was taken.
fn plenty(window: u32) -> i64 {
    i64::from(window) * 5 / 8 + 1
}

impl Link {
    pub(super) fn new(windows: Windows) -> Self {
        Self {
            windows,
            window: Window::new(windows.connection),
            credit: Credit::new(flow::CONNECTION_WINDOW),
            plenty: plenty(flow::CONNECTION_WINDOW),
            growth: windows.growth_max(),
            peer_stream_window: flow::STREAM_WINDOW,
            peer_frame_bytes_max: FRAME_BYTES_MAX,
            settled: false,
            waiting: Waiting::default(),
        }
    }

    /// Applies what the other side said of itself; only the first time counts.
    pub(super) fn settle(&mut self, settings: &Settings) {
        if settings.frame_bytes_max > 0 {
            self.peer_frame_bytes_max = settings.frame_bytes_max;
        }
        if !std::mem::replace(&mut self.settled, true) {
            let window = flow::or_default(settings.connection_window, flow::CONNECTION_WINDOW);
            self.credit = Credit::new(window);
            self.plenty = plenty(window);
            self.peer_stream_window = flow::or_default(settings.stream_window, flow::STREAM_WINDOW);
        }
    }

    /// A stream that begins now.
    pub(super) fn begin(&self, directions: Directions) -> Stream {
        Stream {
            inbox: VecDeque::new(),
            window: Window::new(self.windows.stream()),
            receiving: if directions.receives { Receiving::Open } else { Receiving::Ended },
            credit: Credit::new(self.peer_stream_window),
            sends: directions.sends,
            reader: None,
            writer: None,
            ticket: Ticket::default(),
        }
    }

    /// Puts a message out as soon as both credits allow it.
    ///
    /// # Errors
    /// The other side accepts no frame of this length. The stream goes on without it.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut Stream,
        call: u32,
        message: &dyn Outgoing,
        out: &mut BytesMut,
        waker: &Waker,
    ) -> Poll<Result<(), Status>> {
        let (bytes, bytes_max) = (message.bytes(), self.peer_frame_bytes_max);
        if bytes > bytes_max as usize {
            let text =
                format!("a message of {bytes} bytes, and the other side accepts {bytes_max}");
            return Poll::Ready(Err(Status::resource_exhausted(text)));
        }
        let cost = flow::cost(bytes);
        let has_room = self.credit.is_some()
            && (stream.credit.covers(cost) || self.credit.covers(self.plenty));
        if !stream.credit.is_some() || !has_room {
            if !has_room {
                self.waiting.wait(&mut stream.ticket, waker);
            }
            stream.wait_to_write(waker);
            return Poll::Pending;
        }
        self.waiting.leave(&mut stream.ticket);
        let start = frame::begin(out);
        message.write(bytes, out);
        let header = Header { kind: Kind::Data, flags: message.flags(), method: 0, call };
        frame::end(out, start, header);
        stream.credit.spend(cost);
        self.credit.spend(cost);
        Poll::Ready(Ok(()))
    }

    /// Takes a message off the wire; what is to be given back for it at once goes to `out`.
    ///
    /// # Errors
    /// The protocol is broken.
    pub(super) fn receive(
        &mut self,
        stream: Option<&mut Stream>,
        call: u32,
        message: Body,
        out: &mut BytesMut,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let bytes = message.len();
        if bytes > FRAME_BYTES_MAX as usize {
            return Err(format!("a message of {bytes} bytes"));
        }
        let cost = flow::cost(bytes);
        self.window.arrived(cost)?;
        let Some(stream) = stream else {
            self.window.taken(cost);
            self.give(None, call, out);
            return Ok(());
        };
        stream.window.arrived(cost)?;
        match stream.receiving {
            Receiving::Ended => return Err(format!("DATA for call {call}, which sends none")),
            Receiving::Unread => {
                self.window.taken(cost);
                stream.window.taken(cost);
                self.give(Some(stream), call, out);
            }
            Receiving::Open => {
                stream.inbox.push_back(message);
                woken.extend(stream.reader.take());
                // It takes what the sender has left: another stream's may wait for what is due.
                self.give(None, call, out);
            }
        }
        Ok(())
    }

    /// The next message of a stream; what is to be given back goes to `out`. A call that is `over`
    /// gets no more credit of its own.
    pub(super) fn next(
        &mut self,
        stream: &mut Stream,
        call: u32,
        over: bool,
        out: &mut BytesMut,
    ) -> Next {
        let Some(message) = stream.inbox.pop_front() else {
            let ended = over || stream.receiving == Receiving::Ended;
            return if ended { Next::End } else { Next::Nothing };
        };
        let cost = flow::cost(message.len());
        self.window.taken(cost);
        stream.window.taken(cost);
        let goes_on = !over && stream.receiving == Receiving::Open;
        self.give(goes_on.then_some(stream), call, out);
        Next::Message(message)
    }

    /// Nobody reads a stream any more: what waits in it is dropped, and so is what comes. One whose
    /// call is `over` gets no more credit of its own.
    pub(super) fn discard(
        &mut self,
        stream: &mut Stream,
        call: u32,
        over: bool,
        out: &mut BytesMut,
    ) {
        for message in std::mem::take(&mut stream.inbox) {
            let cost = flow::cost(message.len());
            self.window.taken(cost);
            stream.window.taken(cost);
        }
        let goes_on = !over && stream.receiving == Receiving::Open;
        if goes_on {
            stream.receiving = Receiving::Unread;
        }
        if over {
            self.waiting.leave(&mut stream.ticket);
            let first = i64::from(self.windows.stream());
            self.growth += stream.window.size() - first;
            stream.window = Window::new(self.windows.stream());
        }
        self.give(goes_on.then_some(stream), call, out);
    }

    fn give(&mut self, stream: Option<&mut Stream>, call: u32, out: &mut BytesMut) {
        let size_max = self.windows.stream_max;
        let growth = &mut self.growth;
        let grant = Grant {
            stream: stream.map_or(0, |stream| stream.window.stream_grant(size_max, growth)),
            connection: self.window.connection_grant(),
        };
        if !grant.is_none() {
            let header = Header { kind: Kind::Credit, flags: 0, method: 0, call };
            frame::write(out, header, &grant.payload());
        }
    }

    /// Takes credit off the wire.
    ///
    /// # Errors
    /// The protocol is broken.
    pub(super) fn credit(
        &mut self,
        stream: Option<&mut Stream>,
        payload: Bytes,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let grant = Grant::read(payload)?;
        self.credit.grant(grant.connection)?;
        if grant.connection > 0 && self.credit.is_some() {
            self.wake(woken);
        }
        if let Some(stream) = stream {
            stream.credit.grant(grant.stream)?;
            if grant.stream > 0 && stream.credit.is_some() {
                woken.extend(stream.writer.take());
            }
        }
        Ok(())
    }

    /// Wakes all that wait for the connection's credit.
    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        self.waiting.wake(woken);
    }
}
