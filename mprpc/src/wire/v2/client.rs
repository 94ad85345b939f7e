//! The calls of one connection, as its client sees them.
//!
//! Who waits for which answer is the business of [`Slots`]; here are the frames, what the server
//! accepts, and what is still to be written. Whether a call may have been executed is known when
//! the connection ends: it was not if no byte of its frame had been handed to the socket.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::time::Instant;

use super::arrived::{Answer, Arrived};
use super::compression::Compression;
use super::frame::{self, FRAME_BYTES_MAX, Header, Incoming, Kind};
use super::head::{self, Auth, GoAway, RequestHead, ResponseHead, Settings};
use super::offer::Offer;
use super::pings::Pings;
use super::slots::{CallId, Slots};
use super::stream::{Link, Outgoing, wait};
use super::timed::Timed;
use super::{HEAD_BYTES_MAX, METHODS_MAX};
use crate::meter::Timing;
use crate::{Code, Metadata, ServiceDescriptor, Stage, Status};

/// How many calls a connection carries at once unless the server allows fewer.
pub(crate) const CALLS_MAX: u32 = 32_768;

/// How much waits for the socket before callers wait for room, in bytes.
pub(super) const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How much of what waits may be answers to pings; a server that asks for more does not read.
const PONG_BYTES_MAX: usize = 1024 * 1024;

/// What a call is addressed with and carries besides its message.
pub(crate) struct Request<'a> {
    pub(crate) service: &'static ServiceDescriptor,
    /// The method's index in the service.
    pub(crate) index: usize,
    /// The number that the method has on every connection of its channel.
    pub(crate) method: u16,
    pub(crate) deadline: Instant,
    pub(crate) metadata: Option<&'a Metadata>,
    /// What notes where the time of the call goes, if it is of interest.
    pub(crate) timing: Option<&'a Arc<Timing>>,
}

/// What opening a call came to.
pub(crate) enum Opened {
    /// Its frame stands in the output.
    Call(CallId),
    /// Too much waits for the socket; the waker given is woken when there is room.
    Full,
}

/// How many bytes the parts of a request take: found once, since of a message it is not cheap.
struct Lengths {
    head: usize,
    message: usize,
}

impl Lengths {
    fn payload(&self) -> usize {
        head::sized_len(self.head) + self.message
    }
}

/// See the module.
pub(crate) struct Calls {
    pub(super) slots: Slots,
    pub(super) output: BytesMut,
    pub(super) timed: Timed,
    /// What the calls that stream share.
    pub(super) link: Link,
    /// How many bytes of `output` are answers to pings.
    pub(super) pong_bytes: usize,
    pub(super) pings: Pings,
    /// How many bytes were ever put into `output`, and how many of them the socket has taken.
    pub(super) queued: u64,
    pub(super) written: u64,
    /// Which method numbers the server knows the names of.
    introduced: Vec<bool>,
    /// Who waits for room in the output or for the server's SETTINGS.
    pub(super) waiting: Vec<Waker>,
    pub(super) compression: Compression,
    pub(super) peer_inflates: bool,
    /// Whether the server's SETTINGS have come.
    settled: bool,
    peer_frame_bytes_max: u32,
    peer_calls_max: u32,
    /// Why no more calls can be opened.
    pub(super) refusal: Option<Status>,
}

impl Calls {
    /// The calls of a new connection; its preface stands in the output.
    pub(crate) fn new(offer: impl Into<Offer>) -> Self {
        let offer = offer.into();
        let mut output = BytesMut::new();
        output.extend_from_slice(&super::PREFACE);
        let settings = offer.settings(0);
        frame::write(&mut output, Header::connection(Kind::Settings), &settings.encode_to_vec());
        Self {
            slots: Slots::default(),
            timed: Timed::default(),
            queued: output.len() as u64,
            written: 0,
            output,
            link: Link::new(offer.windows),
            compression: offer.compression,
            peer_inflates: false,
            pong_bytes: 0,
            pings: Pings::default(),
            introduced: Vec::new(),
            waiting: Vec::new(),
            settled: false,
            peer_frame_bytes_max: FRAME_BYTES_MAX,
            peer_calls_max: CALLS_MAX,
            refusal: None,
        }
    }

    /// Shows the server who calls. Before the first call.
    pub(crate) fn authenticate(&mut self, token: Bytes) {
        self.write(Header::connection(Kind::Auth), &Auth { token }.encode_to_vec());
    }

    /// Opens a call: gives it a slot and puts its frame out.
    pub(crate) fn open(
        &mut self,
        request: &Request<'_>,
        message: &impl Outgoing,
        now: Instant,
        waker: &Waker,
    ) -> Result<Opened, Status> {
        self.begin(request, message, frame::END, now, waker)
    }

    /// The same with these flags.
    pub(super) fn begin(
        &mut self,
        request: &Request<'_>,
        message: &impl Outgoing,
        flags: u8,
        now: Instant,
        waker: &Waker,
    ) -> Result<Opened, Status> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        // First, since who waits for room may be many, and each message's length takes time to find.
        if self.output.len() >= OUTPUT_BYTES_MAX {
            wait(&mut self.waiting, waker);
            return Ok(Opened::Full);
        }
        let timing = request.timing.filter(|_| self.timed.has_room());
        let head = self.request_head(request, now, timing.is_some());
        let lengths = Lengths { head: head.encoded_len(), message: message.bytes() };
        self.check(request, &lengths)?;
        let id = self.slots.occupy(request.deadline, waker.clone(), self.queued);
        let header =
            Header { kind: Kind::Request, flags, method: request.method, call: id.number() };
        self.write_request(header, &head, message, &lengths);
        if let Some(timing) = timing {
            self.timed.queued(id.number(), self.queued, timing, now);
        }
        Ok(Opened::Call(id))
    }

    /// Refuses what the server would not take.
    fn check(&self, request: &Request<'_>, lengths: &Lengths) -> Result<(), Status> {
        let refuse = |text: String| Err(not_sent(Status::resource_exhausted(text)));
        let head_bytes = lengths.head;
        if head_bytes > HEAD_BYTES_MAX {
            return refuse(format!(
                "metadata and path of {head_bytes} bytes, and {HEAD_BYTES_MAX} are accepted"
            ));
        }
        let (bytes, bytes_max) = (lengths.payload(), self.peer_frame_bytes_max);
        if bytes > bytes_max as usize {
            return refuse(format!(
                "a request of {bytes} bytes, and the server accepts {bytes_max}"
            ));
        }
        if request.method >= METHODS_MAX {
            return refuse(format!(
                "a channel can call {METHODS_MAX} methods, and this is one more"
            ));
        }
        let calls = self.in_flight();
        if calls >= self.peer_calls_max as usize {
            let text =
                format!("{calls} calls are in flight on the connection, and it carries no more");
            // Unlike the others, it may go to another.
            return Err(Status::resource_exhausted(text).not_executed().at(Stage::Connect));
        }
        Ok(())
    }

    fn request_head(&self, request: &Request<'_>, now: Instant, timed: bool) -> RequestHead {
        let introduced = self.introduced.get(usize::from(request.method)) == Some(&true);
        let left = request.deadline.saturating_duration_since(now);
        RequestHead {
            path: if introduced { String::new() } else { request.service.path(request.index) },
            // Zero would say that there is no deadline.
            timeout_us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX).max(1),
            metadata: request.metadata.map(head::entries).unwrap_or_default(),
            timed,
        }
    }

    fn write_request(
        &mut self,
        header: Header,
        head: &RequestHead,
        message: &impl Outgoing,
        lengths: &Lengths,
    ) {
        let number = usize::from(header.method);
        if self.introduced.len() <= number {
            self.introduced.resize(number + 1, false);
        }
        self.introduced[number] = true;
        let before = self.output.len();
        let start = frame::begin(&mut self.output);
        head::write_sized(head, lengths.head, &mut self.output);
        message.write(lengths.message, &mut self.output);
        let flags = header.flags | message.flags();
        frame::end(&mut self.output, start, Header { flags, ..header });
        self.queued += (self.output.len() - before) as u64;
    }

    pub(super) fn write_cancel(&mut self, id: CallId) {
        self.write(
            Header { kind: Kind::Cancel, flags: frame::END, method: 0, call: id.number() },
            &[],
        );
    }

    pub(super) fn write(&mut self, header: Header, payload: &[u8]) {
        let before = self.output.len();
        frame::write(&mut self.output, header, payload);
        self.queued += (self.output.len() - before) as u64;
    }

    /// Takes what came off the wire. Callers to wake are added to `woken`, to be woken without
    /// the lock held.
    ///
    /// # Errors
    /// The server broke the protocol; the connection cannot go on.
    pub(crate) fn receive(
        &mut self,
        arrived: impl Into<Arrived>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let incoming = match arrived.into() {
            Arrived::Short(call, answer) => {
                self.slots.complete(call, Ok(answer), woken);
                return Ok(());
            }
            Arrived::Other(incoming) => incoming,
        };
        let (header, mut payload) = match incoming {
            Incoming::Frame(header, payload) => (header, payload),
            Incoming::TooLarge(header, bytes) if header.kind == Kind::Response => {
                let status = too_large(bytes as usize);
                self.slots.complete(header.call, Err(status), woken);
                return Ok(());
            }
            Incoming::TooLarge(header, bytes) => {
                return Err(format!("a {:?} frame of {bytes} bytes", header.kind));
            }
        };
        match header.kind {
            Kind::Response => {
                let bytes_max = FRAME_BYTES_MAX as usize;
                let outcome = match head::read::<ResponseHead>(&mut payload, bytes_max) {
                    Ok(head) => {
                        if head.served_ns > 0 {
                            let served = Duration::from_nanos(head.served_ns);
                            self.timed.answered(header.call, served);
                        }
                        match head.into_status() {
                            Some(status) => Err(status),
                            None => self.message(header, payload)?.map(Answer::from),
                        }
                    }
                    Err(error) => Err(Status::internal(format!("the answer's head: {error}"))),
                };
                self.slots.complete(header.call, outcome, woken);
            }
            Kind::Settings => {
                let settings = Settings::decode(payload).map_err(|error| error.to_string())?;
                if settings.frame_bytes_max > 0 {
                    self.peer_frame_bytes_max = settings.frame_bytes_max;
                }
                if settings.calls_max > 0 {
                    self.peer_calls_max = settings.calls_max.min(CALLS_MAX);
                }
                self.link.settle(&settings);
                if !std::mem::replace(&mut self.settled, true) {
                    self.peer_inflates = settings.inflates;
                }
                woken.append(&mut self.waiting);
            }
            Kind::Ping => {
                if self.pong_bytes >= PONG_BYTES_MAX {
                    return Err("pings come, and the answers are not taken".to_owned());
                }
                self.pong_bytes += frame::HEADER_BYTES + payload.len();
                self.write(Header::connection(Kind::Pong), &payload);
            }
            Kind::Data => self.receive_data(header, payload, woken)?,
            Kind::Credit => self.receive_credit(header.call, payload, woken)?,
            Kind::Pong => self.pings.answered(woken),
            Kind::GoAway => {
                let reason = GoAway::decode(payload).map_err(|error| error.to_string())?;
                // A server that asks who calls must not be taken for one that only stops.
                self.refuse(match reason.code == Code::Unauthenticated as u32 {
                    true => Status::unauthenticated(reason.message),
                    false => Status::unavailable(reason.message),
                });
                woken.append(&mut self.waiting);
                self.pings.wake(woken);
            }
            Kind::Request | Kind::Cancel | Kind::Auth => {
                return Err(format!("a {:?} frame from a server", header.kind));
            }
        }
        Ok(())
    }

    /// Ready once the server's SETTINGS have come: before that nobody knows whether there is a
    /// server behind the socket, and what it accepts.
    pub(crate) fn poll_ready(&mut self, waker: &Waker) -> Poll<Result<(), Status>> {
        // First: one that greets only to say that it takes no calls is none to call.
        if let Some(refusal) = &self.refusal {
            return Poll::Ready(Err(refusal.clone()));
        }
        if self.settled {
            return Poll::Ready(Ok(()));
        }
        wait(&mut self.waiting, waker);
        Poll::Pending
    }

    /// Whether calls can be opened.
    pub(crate) fn is_open(&self) -> bool {
        self.refusal.is_none()
    }

    /// The outcome of a call, once; then its slot is free.
    pub(crate) fn poll_outcome(
        &mut self,
        id: CallId,
        waker: &Waker,
    ) -> Poll<Result<Answer, Status>> {
        self.slots.poll_outcome(id, waker)
    }

    /// Whether calls can be opened, or wait for the wire, or something is to be written.
    pub(crate) fn is_in_use(&self) -> bool {
        self.is_open() || self.has_output() || self.slots.busy()
    }

    /// How many calls the server lets it carry.
    pub(crate) fn calls_max(&self) -> usize {
        self.peer_calls_max as usize
    }

    /// How many calls have a slot.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.in_flight()
    }
}

pub(super) fn too_large(bytes: usize) -> Status {
    Status::resource_exhausted(format!(
        "an answer of {bytes} bytes, and {FRAME_BYTES_MAX} are accepted"
    ))
}

/// Of a call nothing of which was put out.
pub(super) fn not_sent(status: Status) -> Status {
    status.not_executed().at(Stage::Write)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
