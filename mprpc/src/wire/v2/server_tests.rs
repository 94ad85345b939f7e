//! Tests of the server's side of the multiplexed wire.

use proptest::prelude::*;

use super::super::head::Entry;
use super::*;
use crate::wire::v2::flow::Windows;

fn request(method: u16, path: &str, flags: u8) -> Incoming {
    let mut payload = BytesMut::new();
    let head = RequestHead { path: path.into(), timeout_us: 5, ..RequestHead::default() };
    head::write(&head, &mut payload);
    payload.extend_from_slice(b"message");
    Incoming::Frame(Header { kind: Kind::Request, flags, method, call: 9 }, payload.freeze())
}

fn frames() -> Frames<u8> {
    Frames::new(10, Windows::default(), &mut BytesMut::new())
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
            matches!(event, Event::Call { call: 9, method: 1, timeout_us: 5, message, .. } if message == Body::Plain(Bytes::from_static(b"message")))
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
        timed: false,
    };
    let mut payload = BytesMut::new();
    head::write(&head, &mut payload);
    let header = Header { kind: Kind::Request, flags: frame::END, method: 3, call: 9 };
    let error = receive(&mut frames(), Incoming::Frame(header, payload.freeze())).unwrap_err();
    assert!(error.contains("head"), "{error}");
}

/// A head that takes little on the wire and much in memory is refused, and its path holds.
#[test]
fn metadata_of_too_many_entries_is_refused_and_the_connection_goes_on() {
    let mut frames = frames();
    for (entries, accepted) in [(64, true), (65, false), (HEAD_BYTES_MAX / 2 - 10, false)] {
        let path = "e.E/M".into();
        let metadata = vec![Entry::default(); entries];
        let head = RequestHead { path, metadata, ..RequestHead::default() };
        let mut payload = BytesMut::new();
        head::write(&head, &mut payload);
        let header = Header { kind: Kind::Request, flags: frame::END, method: 3, call: 9 };
        match receive(&mut frames, Incoming::Frame(header, payload.freeze())).unwrap() {
            Event::Call { metadata, .. } => {
                assert!(accepted && metadata.iter().count() == entries, "{entries}");
            }
            Event::Refuse { call: 9, status } => {
                assert!(!accepted, "{entries}");
                assert_eq!(status.code(), crate::Code::ResourceExhausted);
            }
            other => panic!("{other:?}"),
        }
    }
    let event = receive(&mut frames, request(3, "", frame::END)).unwrap();
    assert!(matches!(event, Event::Call { method: 1, .. }));
}

/// Whoever keeps a value would else keep all that was read with it.
#[test]
fn metadata_does_not_keep_what_was_read_with_it() {
    let entry = |name: &str, value: &'static [u8]| Entry { name: name.into(), value: value.into() };
    let metadata = vec![entry("a", b"first"), entry("empty", b""), entry("b", b"second")];
    let head = RequestHead { path: "e.E/M".into(), metadata, ..RequestHead::default() };
    let mut payload = BytesMut::new();
    head::write(&head, &mut payload);
    payload.extend_from_slice(b"message");
    let read = payload.freeze();
    let header = Header { kind: Kind::Request, flags: frame::END, method: 3, call: 9 };
    let event = receive(&mut frames(), Incoming::Frame(header, read.clone())).unwrap();
    let Event::Call { metadata, message, .. } = event else { panic!("{event:?}") };
    assert!(!read.is_unique(), "the message is not copied");
    drop(message);
    assert!(read.is_unique());
    let found: Vec<_> = metadata.iter().map(|(name, value)| (name, &value[..])).collect();
    assert_eq!(found, [("a", &b"first"[..]), ("empty", b""), ("b", b"second")]);
}

#[test]
fn a_status_over_the_clients_limit_keeps_its_code() {
    let mut frames = frames();
    let settings = Settings { frame_bytes_max: 64, ..Settings::default() }.encode_to_vec();
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
fn a_request_without_end_begins_a_stream() {
    let event = receive(&mut frames(), request(3, "e.E/M", 0)).unwrap();
    assert!(matches!(event, Event::Call { ended: false, .. }));
}

#[test]
fn an_answer_over_the_clients_limit_becomes_an_error() {
    let mut frames = frames();
    let settings = Settings { frame_bytes_max: 64, ..Settings::default() }.encode_to_vec();
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
            (1_u8..10, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..30)),
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

fn auth(token: &[u8]) -> Incoming {
    let auth = Auth { token: Bytes::copy_from_slice(token) };
    Incoming::Frame(Header::connection(Kind::Auth), auth.encode_to_vec().into())
}

#[test]
fn a_client_shows_once_who_it_is_and_before_it_calls() {
    let mut frames = frames();
    let event = receive(&mut frames, auth(b"secret")).unwrap();
    assert!(matches!(event, Event::Auth(token) if token.expose() == b"secret"));
    let error = receive(&mut frames, auth(b"secret")).unwrap_err();
    assert!(!error.contains("secret"), "{error}");

    let mut frames = self::frames();
    receive(&mut frames, request(3, "e.E/Other", frame::END)).unwrap();
    assert!(receive(&mut frames, auth(b"secret")).is_err());
    assert!(receive(&mut self::frames(), auth(&[b'x'; 1024])).is_err());
    // A request that is too long is one, too.
    let mut frames = self::frames();
    let header = Header { call: 3, ..Header::connection(Kind::Request) };
    receive(&mut frames, Incoming::TooLarge(header, u32::MAX)).unwrap();
    assert!(receive(&mut frames, auth(b"secret")).is_err());
}

#[test]
fn what_is_shown_is_in_nothing_that_is_printed() {
    let frame = auth(b"secret");
    let event = receive(&mut frames(), frame).unwrap();
    let shown = Auth { token: Bytes::from_static(b"secret") };
    let mut calls = super::super::client::Calls::new(Offer::default());
    calls.authenticate(Bytes::from_static(b"secret"));
    for text in [format!("{event:?}"), format!("{shown:?}"), format!("{calls:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
}

/// Whatever a stranger asks for: what is served is not its business, and it is not to fill memory.
#[test]
fn the_calls_of_who_has_shown_nothing_are_not_looked_at() {
    let mut frames = frames();
    frames.shut();
    let event = receive(&mut frames, request(3, "e.E/M", frame::END)).unwrap();
    assert!(matches!(event, Event::Strange { call: 9 }), "{event:?}");
    let data = Header { call: 3, ..Header::connection(Kind::Data) };
    for incoming in [Incoming::Frame(data, Bytes::new()), Incoming::TooLarge(data, u32::MAX)] {
        assert!(matches!(receive(&mut frames, incoming), Ok(Event::None)));
    }
    assert!(frames.methods.is_empty(), "nothing was named");
    let mut frames = self::frames();
    frames.shut();
    receive(&mut frames, auth(b"secret")).unwrap();
    frames.open();
    let event = receive(&mut frames, request(3, "e.E/M", frame::END)).unwrap();
    assert!(matches!(event, Event::Call { call: 9, .. }), "{event:?}");
}
