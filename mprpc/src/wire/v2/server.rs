//! The frames of one connection, as its server sees them: requests in, answers out.

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::frame::{self, FRAME_BYTES_MAX, Header, Incoming, Kind};
use super::head::{self, GoAway, RequestHead, ResponseHead, Settings};
use super::{HEAD_BYTES_MAX, METHODS_MAX, PATH_BYTES_MAX};
use crate::{Metadata, Status};

/// What a frame asks of the server.
#[derive(Debug)]
pub(crate) enum Event<M> {
    /// A call to a method that the server has.
    Call { call: u32, method: M, timeout_us: u64, metadata: Metadata, message: Bytes },
    /// A call that cannot be served, and the answer to it.
    Refuse { call: u32, status: Status },
    /// The caller gave the call up.
    Cancel { call: u32 },
    /// Nothing that concerns a call.
    None,
}

/// The frames of one connection. `M` is what the server finds for a method's path.
#[derive(Debug)]
pub(crate) struct Frames<M> {
    /// What the client's method numbers stand for; the path of one that this server lacks.
    methods: Vec<Option<Result<M, String>>>,
    peer_frame_bytes_max: u32,
}

impl<M: Clone> Frames<M> {
    /// A new connection; what the server says first goes to `output`.
    pub(crate) fn new(calls_max: u32, output: &mut BytesMut) -> Self {
        let settings = Settings { frame_bytes_max: FRAME_BYTES_MAX, calls_max };
        frame::write(output, Header::connection(Kind::Settings), &settings.encode_to_vec());
        Self { methods: Vec::new(), peer_frame_bytes_max: FRAME_BYTES_MAX }
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
        let (header, payload) = match incoming {
            Incoming::Frame(header, payload) => (header, payload),
            Incoming::TooLarge(header, bytes) if header.kind == Kind::Request => {
                let status = Status::resource_exhausted(format!(
                    "a request of {bytes} bytes, and {FRAME_BYTES_MAX} are accepted"
                ));
                return Ok(Event::Refuse { call: header.call, status });
            }
            Incoming::TooLarge(header, bytes) => {
                return Err(format!("a {:?} frame of {bytes} bytes", header.kind));
            }
        };
        match header.kind {
            Kind::Request => self.request(header, payload, find),
            Kind::Cancel => Ok(Event::Cancel { call: header.call }),
            Kind::Settings => {
                let settings = Settings::decode(payload).map_err(|error| error.to_string())?;
                if settings.frame_bytes_max > 0 {
                    self.peer_frame_bytes_max = settings.frame_bytes_max;
                }
                Ok(Event::None)
            }
            Kind::Ping => {
                frame::write(output, Header::connection(Kind::Pong), &payload);
                Ok(Event::None)
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
        if header.flags & frame::END == 0 {
            let status = Status::unimplemented("streaming calls are not served");
            return Ok(Event::Refuse { call, status });
        }
        Ok(match method {
            Ok(method) => Event::Call {
                call,
                method: method.clone(),
                timeout_us: head.timeout_us,
                metadata: head
                    .metadata
                    .into_iter()
                    .map(|entry| (entry.name, entry.value))
                    .collect(),
                message: payload,
            },
            Err(path) => Event::Refuse {
                call,
                status: Status::unimplemented(format!("{path} is not served here")),
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
        let start = frame::begin(output);
        head::write(&ResponseHead::default(), output);
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
        frame::end(output, start, response(call));
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

fn response(call: u32) -> Header {
    Header { kind: Kind::Response, flags: frame::END, method: 0, call }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::head::Entry;
    use super::*;

    fn request(method: u16, path: &str, flags: u8) -> Incoming {
        let mut payload = BytesMut::new();
        let head = RequestHead { path: path.into(), timeout_us: 5, metadata: Vec::new() };
        head::write(&head, &mut payload);
        payload.extend_from_slice(b"message");
        Incoming::Frame(Header { kind: Kind::Request, flags, method, call: 9 }, payload.freeze())
    }

    fn frames() -> Frames<u8> {
        Frames::new(10, &mut BytesMut::new())
    }

    fn receive(frames: &mut Frames<u8>, incoming: Incoming) -> Result<Event<u8>, String> {
        frames.receive(incoming, |path| (path == "e.E/M").then_some(1), &mut BytesMut::new())
    }

    #[test]
    fn a_method_is_found_by_its_number_once_it_was_named() {
        let mut frames = frames();
        for path in ["e.E/M", ""] {
            let event = receive(&mut frames, request(3, path, frame::END)).unwrap();
            assert!(
                matches!(event, Event::Call { call: 9, method: 1, timeout_us: 5, message, .. } if message == "message")
            );
        }
    }

    #[test]
    fn an_unknown_method_is_refused_each_time_and_the_connection_goes_on() {
        let mut frames = frames();
        for path in ["e.E/Other", ""] {
            let event = receive(&mut frames, request(3, path, frame::END)).unwrap();
            let Event::Refuse { status, .. } = event else { panic!("{event:?}") };
            assert_eq!(status.message(), "e.E/Other is not served here");
        }
    }

    #[test]
    fn a_number_that_was_never_named_and_one_out_of_bounds_break_the_protocol() {
        assert!(receive(&mut frames(), request(3, "", frame::END)).is_err());
        assert!(receive(&mut frames(), request(4096, "e.E/M", frame::END)).is_err());
    }

    #[test]
    fn what_a_client_makes_the_server_keep_is_bounded() {
        let long_path = "p".repeat(PATH_BYTES_MAX + 1);
        assert!(receive(&mut frames(), request(3, &long_path, frame::END)).is_err());

        // Two bytes of a head make an entry of many in memory.
        let head = RequestHead {
            path: "e.E/M".into(),
            timeout_us: 0,
            metadata: vec![Entry::default(); HEAD_BYTES_MAX / 2],
        };
        let mut payload = BytesMut::new();
        head::write(&head, &mut payload);
        let header = Header { kind: Kind::Request, flags: frame::END, method: 3, call: 9 };
        let error = receive(&mut frames(), Incoming::Frame(header, payload.freeze())).unwrap_err();
        assert!(error.contains("head"), "{error}");
    }

    #[test]
    fn a_status_over_the_clients_limit_keeps_its_code() {
        let mut frames = frames();
        let settings = Settings { frame_bytes_max: 64, calls_max: 0 }.encode_to_vec();
        let settings = Incoming::Frame(Header::connection(Kind::Settings), settings.into());
        receive(&mut frames, settings).unwrap();
        let mut output = BytesMut::new();
        let status = Status::not_found("n".repeat(100)).with_details(vec![0; 100]);
        frames.refuse(9, &status, &mut output);
        assert!(output.len() <= frame::HEADER_BYTES + 64);
        let frame = frame::Decoder::new(64).decode(&mut output).unwrap();
        let Incoming::Frame(_, mut payload) = frame else { panic!("{frame:?}") };
        let head = head::read::<ResponseHead>(&mut payload, 1024).unwrap();
        assert_eq!(head.into_status().unwrap().code(), crate::Code::NotFound);
    }

    #[test]
    fn a_streaming_request_is_refused() {
        let event = receive(&mut frames(), request(3, "e.E/M", 0)).unwrap();
        assert!(matches!(event, Event::Refuse { .. }));
    }

    #[test]
    fn an_answer_over_the_clients_limit_becomes_an_error() {
        let mut frames = frames();
        let settings = Settings { frame_bytes_max: 64, calls_max: 0 }.encode_to_vec();
        let settings = Incoming::Frame(Header::connection(Kind::Settings), settings.into());
        receive(&mut frames, settings).unwrap();
        let mut output = BytesMut::new();
        let written = frames.respond(9, &mut output, |out| {
            out.extend_from_slice(&[0; 100]);
            Ok::<(), Status>(())
        });
        assert!(written.is_ok());
        let frame = frame::Decoder::new(1024).decode(&mut output).unwrap();
        let Incoming::Frame(_, mut payload) = frame else { panic!("{frame:?}") };
        let status = head::read::<ResponseHead>(&mut payload, 1024).unwrap().into_status().unwrap();
        assert_eq!(status.code(), crate::Code::ResourceExhausted);
    }

    proptest! {
        #[test]
        fn no_frames_make_it_panic(
            frames in proptest::collection::vec(
                (1_u8..8, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..30)),
                1..20,
            ),
        ) {
            let mut bytes = BytesMut::new();
            for (kind, method, payload) in frames {
                let start = bytes.len();
                let header = Header { method, ..Header::connection(Kind::Ping) };
                frame::write(&mut bytes, header, &payload);
                bytes[start + 4] = kind;
            }
            let mut decoder = frame::Decoder::new(16);
            let mut frames = super::tests::frames();
            while let Some(incoming) = decoder.decode(&mut bytes) {
                let _ = receive(&mut frames, incoming);
            }
        }
    }
}
