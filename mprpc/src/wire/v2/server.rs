//! The frames of one connection, as its server sees them: requests in, answers out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::compression::{Body, Compression};
use super::frame::{self, FRAME_BYTES_MAX, Header, Incoming, Kind};
use super::head::{self, Auth, GoAway, RequestHead, ResponseHead, Secret, Settings};
use super::offer::Offer;
use super::{HEAD_BYTES_MAX, METHODS_MAX, PATH_BYTES_MAX};
use crate::metadata::ENTRIES_MAX;
use crate::{Metadata, Status};

/// What a frame asks of the server.
#[derive(Debug)]
pub(crate) enum Event<M> {
    /// A call to a method that the server has. One that is not `ended` streams its requests.
    /// Of one that is `timed`, the caller wants to know how long it took.
    Call {
        call: u32,
        method: M,
        timeout_us: u64,
        metadata: Metadata,
        timed: bool,
        message: Body,
        ended: bool,
    },
    /// A call that cannot be served, and the answer to it.
    Refuse { call: u32, status: Status },
    /// The caller gave the call up.
    Cancel { call: u32 },
    /// What a call that streams sends: DATA and CREDIT.
    Stream(Header, Bytes),
    /// The client said of itself what its streams are to be told too.
    Settings(Settings),
    /// The client shows who it is: a token.
    Auth(Secret),
    /// A call of a client that has still to show who it is. It was not looked at.
    Strange { call: u32 },
    /// Nothing that concerns a call.
    None,
}

/// The frames of one connection. `M` is what the server finds for a method's path.
#[derive(Debug)]
pub(crate) struct Frames<M> {
    /// What the client's method numbers stand for; the path of one that this server lacks.
    methods: Vec<Option<Result<M, String>>>,
    peer_frame_bytes_max: u32,
    compression: Compression,
    /// What the client said of itself: its windows first, its limit last.
    settings: Settings,
    settled: bool,
    /// Whether the client has shown who it is, whatever that was worth.
    shown: bool,
    /// Whether it has called.
    called: bool,
    /// Whether it has to show who it is before its calls are looked at.
    shut: bool,
}

impl<M: Clone> Frames<M> {
    /// A new connection; what the server says first goes to `output`.
    pub(crate) fn new(calls_max: u32, offer: impl Into<Offer>, output: &mut BytesMut) -> Self {
        let offer = offer.into();
        let settings = offer.settings(calls_max);
        frame::write(output, Header::connection(Kind::Settings), &settings.encode_to_vec());
        Self {
            methods: Vec::new(),
            peer_frame_bytes_max: FRAME_BYTES_MAX,
            compression: offer.compression,
            settings: Settings::default(),
            settled: false,
            shown: false,
            called: false,
            shut: false,
        }
    }

    /// Looks at no call until [`open`](Self::open): a stranger could name methods, and send messages,
    /// for as long as it may stay.
    pub(crate) fn shut(&mut self) {
        self.shut = true;
    }

    /// Looks at calls from now on.
    pub(crate) fn open(&mut self) {
        self.shut = false;
    }

    /// What the client said of itself, as far as it has: its windows first, its limit last.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How messages to the client are compressed, if this side does and the client takes it.
    pub(crate) fn compression(&self) -> Compression {
        self.compression.towards(self.settings.inflates)
    }

    /// Takes what came off the wire; `find` looks a path up. What the protocol itself answers
    /// goes to `output`.
    ///
    /// # Errors
    /// The client broke the protocol; the connection cannot go on.
    pub(crate) fn receive(
        &mut self,
        incoming: Incoming,
        find: impl FnOnce(&str) -> Option<M>,
        output: &mut BytesMut,
    ) -> Result<Event<M>, String> {
        let header = incoming.header();
        self.called |= header.kind == Kind::Request;
        if self.shut {
            match header.kind {
                Kind::Request => return Ok(Event::Strange { call: header.call }),
                // Of such a call.
                Kind::Data | Kind::Credit => return Ok(Event::None),
                _ => {}
            }
        }
        let (header, payload) = match incoming {
            Incoming::Frame(header, payload) => (header, payload),
            Incoming::TooLarge(header, bytes) if header.kind == Kind::Request => {
                return Ok(Event::Refuse { call: header.call, status: too_large(bytes as usize) });
            }
            Incoming::TooLarge(header, bytes) => {
                return Err(format!("a {:?} frame of {bytes} bytes", header.kind));
            }
        };
        match header.kind {
            Kind::Request => self.request(header, payload, find),
            Kind::Cancel => Ok(Event::Cancel { call: header.call }),
            Kind::Data | Kind::Credit => Ok(Event::Stream(header, payload)),
            Kind::Settings => {
                let settings = Settings::decode(payload).map_err(|error| error.to_string())?;
                if settings.frame_bytes_max > 0 {
                    self.peer_frame_bytes_max = settings.frame_bytes_max;
                }
                if !std::mem::replace(&mut self.settled, true) {
                    self.settings = settings.clone();
                }
                self.settings.frame_bytes_max = self.peer_frame_bytes_max;
                Ok(Event::Settings(settings))
            }
            Kind::Ping => {
                frame::write(output, Header::connection(Kind::Pong), &payload);
                Ok(Event::None)
            }
            Kind::Auth => {
                let auth = Auth::read(payload)?;
                // Once, so that who guesses connects for each guess.
                if std::mem::replace(&mut self.shown, true) || self.called {
                    return Err("an AUTH frame that is not the first, or behind a request".into());
                }
                Ok(Event::Auth(auth.secret()))
            }
            // A client that goes away simply opens no more calls.
            Kind::Pong | Kind::GoAway => Ok(Event::None),
            Kind::Response => Err("a Response frame from a client".to_owned()),
        }
    }

    fn request(
        &mut self,
        header: Header,
        mut payload: Bytes,
        find: impl FnOnce(&str) -> Option<M>,
    ) -> Result<Event<M>, String> {
        let call = header.call;
        let head = head::read::<RequestHead>(&mut payload, HEAD_BYTES_MAX)
            .map_err(|error| format!("the head of request {call}: {error}"))?;
        let method = usize::from(header.method);
        if !head.path.is_empty() {
            self.introduce(method, head.path, find)?;
        }
        let Some(Some(method)) = self.methods.get(method) else {
            return Err(format!("method number {method} was used before it was named"));
        };
        let entries = head.metadata.len();
        if entries > ENTRIES_MAX {
            let text = format!("{entries} entries of metadata, and {ENTRIES_MAX} are accepted");
            let status = Status::resource_exhausted(text).not_executed();
            return Ok(Event::Refuse { call, status });
        }
        let ended = header.flags & frame::END != 0;
        // Where the client streams, no message stands here.
        let flags = if ended { header.flags } else { 0 };
        let message = Body::read(flags, payload, self.compression)?;
        let bytes = message.len();
        if bytes > FRAME_BYTES_MAX as usize {
            return Ok(Event::Refuse { call, status: too_large(bytes) });
        }
        Ok(match method {
            Ok(method) => Event::Call {
                call,
                method: method.clone(),
                timeout_us: head.timeout_us,
                timed: head.timed,
                metadata: head::metadata(head.metadata),
                message,
                ended,
            },
            Err(path) => Event::Refuse {
                call,
                status: Status::unimplemented(format!("{path} is not served here")).not_executed(),
            },
        })
    }

    fn introduce(
        &mut self,
        method: usize,
        path: String,
        find: impl FnOnce(&str) -> Option<M>,
    ) -> Result<(), String> {
        if method >= usize::from(METHODS_MAX) {
            return Err(format!("method number {method}, and they end below {METHODS_MAX}"));
        }
        let bytes = path.len();
        if bytes > PATH_BYTES_MAX {
            return Err(format!("a path of {bytes} bytes, and {PATH_BYTES_MAX} are accepted"));
        }
        if self.methods.len() <= method {
            self.methods.resize(method + 1, None);
        }
        self.methods[method] = Some(find(&path).ok_or(path));
        Ok(())
    }

    /// Puts out an answer, whose message `write` appends to the buffer it is given.
    ///
    /// An answer that is over the client's limit becomes an error that says so.
    pub(crate) fn respond<E>(
        &self,
        call: u32,
        output: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        self.respond_served(call, Duration::ZERO, output, write)
    }

    /// The same, saying how long the call was `served`, unless that is zero.
    pub(crate) fn respond_served<E>(
        &self,
        call: u32,
        served: Duration,
        output: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = frame::begin(output);
        let served_ns = u64::try_from(served.as_nanos()).unwrap_or(u64::MAX);
        head::write(&ResponseHead { served_ns, ..ResponseHead::default() }, output);
        let message = output.len();
        if let Err(error) = write(output) {
            output.truncate(start);
            return Err(error);
        }
        let bytes = frame::payload_len(output, start);
        if bytes > self.peer_frame_bytes_max as usize {
            output.truncate(start);
            let limit = self.peer_frame_bytes_max;
            self.refuse(
                call,
                &Status::resource_exhausted(format!(
                    "an answer of {bytes} bytes, and the caller accepts {limit}"
                )),
                output,
            );
            return Ok(());
        }
        let mut header = response(call);
        if self.compression().deflate_in_place(output, message) {
            header.flags |= frame::COMPRESSED;
        }
        frame::end(output, start, header);
        Ok(())
    }

    /// Puts out an answer that is an error. One that is over the client's limit keeps its code.
    pub(crate) fn refuse(&self, call: u32, status: &Status, output: &mut BytesMut) {
        let mut head = ResponseHead::of(status);
        if head::written_len(&head) > self.peer_frame_bytes_max as usize {
            head.message = "(too long)".to_owned();
            head.details.clear();
        }
        let start = frame::begin(output);
        head::write(&head, output);
        frame::end(output, start, response(call));
    }

    /// Asks the client to open no more calls on this connection.
    pub(crate) fn go_away(&self, status: &Status, output: &mut BytesMut) {
        let reason = GoAway { code: status.code() as u32, message: status.message().to_owned() };
        frame::write(output, Header::connection(Kind::GoAway), &reason.encode_to_vec());
    }
}

fn too_large(bytes: usize) -> Status {
    Status::resource_exhausted(format!(
        "a request of {bytes} bytes, and {FRAME_BYTES_MAX} are accepted"
    ))
    .not_executed()
}

fn response(call: u32) -> Header {
    Header { kind: Kind::Response, flags: frame::END, method: 0, call }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
