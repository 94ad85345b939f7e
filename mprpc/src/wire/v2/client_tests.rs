//! Tests of the client's side of the multiplexed wire.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::wire::v2::flow::Windows;
use proptest::prelude::*;

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(uint64, tag = "1")]
    number: u64,
}

static SERVICE: ServiceDescriptor =
    ServiceDescriptor { full_name: "e.E", short_name: "E", methods: &["M"] };

fn request(deadline: Instant) -> Request<'static> {
    Request { service: &SERVICE, index: 0, method: 0, deadline, metadata: None, timing: None }
}

fn open(calls: &mut Calls, number: u64, timeout_ms: u64) -> CallId {
    let now = Instant::now();
    let request = request(now + Duration::from_millis(timeout_ms));
    match calls.open(&request, &Payload { number }, now, Waker::noop()).unwrap() {
        Opened::Call(id) => id,
        Opened::Full => panic!("the output is not full"),
    }
}

fn answer(id: CallId, number: u64) -> Incoming {
    let mut payload = BytesMut::new();
    head::write(&ResponseHead::default(), &mut payload);
    Payload { number }.encode(&mut payload).unwrap();
    let header = Header { kind: Kind::Response, flags: frame::END, method: 0, call: id.number() };
    Incoming::Frame(header, payload.freeze())
}

fn outcome(calls: &mut Calls, id: CallId) -> Option<Result<u64, Status>> {
    match calls.poll_outcome(id, Waker::noop()) {
        Poll::Ready(outcome) => {
            Some(outcome.map(|answer| answer.decode::<Payload>().unwrap().number))
        }
        Poll::Pending => None,
    }
}

#[test]
fn the_preface_comes_first_and_a_method_is_named_only_once() {
    let mut calls = Calls::new(Windows::default());
    open(&mut calls, 1, 1000);
    open(&mut calls, 2, 1000);
    let mut out = BytesMut::new();
    assert!(calls.take_output(&mut out, &mut Vec::new()));
    assert_eq!(out.split_to(4), super::super::PREFACE[..]);
    let mut decoder = frame::Decoder::new(1024);
    let mut paths = Vec::new();
    while let Some(Incoming::Frame(header, mut payload)) = decoder.decode(&mut out) {
        if header.kind == Kind::Request {
            paths.push(head::read::<RequestHead>(&mut payload, 64).unwrap().path);
        }
    }
    assert_eq!(paths, ["e.E/M", ""]);
}

#[test]
fn a_late_answer_to_an_abandoned_call_reaches_nobody() {
    let mut calls = Calls::new(Windows::default());
    let first = open(&mut calls, 1, 1000);
    calls.abandon(first);
    let second = open(&mut calls, 2, 1000);
    assert_eq!(first.index(), second.index(), "the slot is used again");
    calls.receive(answer(first, 1), &mut Vec::new()).unwrap();
    assert!(outcome(&mut calls, second).is_none());
    calls.receive(answer(second, 2), &mut Vec::new()).unwrap();
    assert_eq!(outcome(&mut calls, second).unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_calls_whose_time_is_over_expire() {
    let mut calls = Calls::new(Windows::default());
    let short = open(&mut calls, 1, 10);
    let long = open(&mut calls, 2, 1000);
    let at = calls.next_deadline().unwrap();
    assert_eq!(at - Instant::now(), Duration::from_millis(10));
    calls.expire(at, &mut Vec::new());
    let status = outcome(&mut calls, short).unwrap().unwrap_err();
    assert_eq!(status.code(), crate::Code::DeadlineExceeded);
    assert!(outcome(&mut calls, long).is_none());
    assert_eq!(calls.next_deadline().unwrap() - Instant::now(), Duration::from_millis(1000));
}

#[test]
fn a_call_whose_frame_was_not_written_is_known_not_to_have_been_executed() {
    let mut calls = Calls::new(Windows::default());
    let sent = open(&mut calls, 1, 1000);
    let mut out = BytesMut::new();
    calls.take_output(&mut out, &mut Vec::new());
    calls.written(out.len());
    let unsent = open(&mut calls, 2, 1000);
    calls.fail(&Status::unavailable("reset"), &mut Vec::new());
    let executed = |status: Status| status.executed();
    let sent = outcome(&mut calls, sent).unwrap().map_err(executed);
    let unsent = outcome(&mut calls, unsent).unwrap().map_err(executed);
    assert_eq!(sent, Err(crate::status::Executed::Maybe));
    assert_eq!(unsent, Err(crate::status::Executed::No));
}

#[test]
fn after_goaway_no_call_opens_and_those_in_flight_end() {
    let mut calls = Calls::new(Windows::default());
    let id = open(&mut calls, 1, 1000);
    let reason = GoAway { code: 14, message: "the server is leaving".into() }.encode_to_vec();
    let frame = Incoming::Frame(Header::connection(Kind::GoAway), reason.into());
    calls.receive(frame, &mut Vec::new()).unwrap();
    let now = Instant::now();
    let refused = calls.open(&request(now), &Payload::default(), now, Waker::noop()).err().unwrap();
    assert_eq!(refused.executed(), crate::status::Executed::No);
    calls.receive(answer(id, 7), &mut Vec::new()).unwrap();
    assert_eq!(outcome(&mut calls, id).unwrap().unwrap(), 7);
}

#[test]
fn what_the_server_would_not_take_is_not_sent() {
    let mut calls = Calls::new(Windows::default());
    let before = calls.output.len();
    let deadline = Instant::now() + Duration::from_secs(1);

    let mut metadata = Metadata::default();
    metadata.push("blob", vec![0; super::super::HEAD_BYTES_MAX]);
    let long_head = Request { metadata: Some(&metadata), ..request(deadline) };
    let unnameable = Request { method: super::super::METHODS_MAX, ..request(deadline) };
    for request in [long_head, unnameable] {
        let refused = calls.open(&request, &Payload::default(), Instant::now(), Waker::noop());
        let status = refused.err().unwrap();
        assert_eq!(
            (status.code(), status.executed()),
            (crate::Code::ResourceExhausted, crate::status::Executed::No)
        );
    }
    assert_eq!(calls.output.len(), before);
}

#[test]
fn a_server_that_pings_and_does_not_read_is_given_up() {
    let mut calls = Calls::new(Windows::default());
    let ping = || Incoming::Frame(Header::connection(Kind::Ping), vec![0; 1024 * 1024].into());
    let outcome = (0..64).try_for_each(|_| calls.receive(ping(), &mut Vec::new()));
    assert!(outcome.is_err());
}

#[test]
fn a_connection_is_ready_when_the_servers_settings_have_come() {
    let mut calls = Calls::new(Windows::default());
    assert!(calls.poll_ready(Waker::noop()).is_pending());
    let settings =
        Settings { frame_bytes_max: 64, calls_max: 1, ..Settings::default() }.encode_to_vec();
    let settings = Incoming::Frame(Header::connection(Kind::Settings), settings.into());
    let mut woken = Vec::new();
    calls.receive(settings, &mut woken).unwrap();
    assert_eq!(woken.len(), 1);
    assert!(matches!(calls.poll_ready(Waker::noop()), Poll::Ready(Ok(()))));

    let mut calls = Calls::new(Windows::default());
    assert!(calls.poll_ready(Waker::noop()).is_pending());
    let mut woken = Vec::new();
    calls.fail(&Status::unavailable("reset"), &mut woken);
    assert_eq!(woken.len(), 1);
    let Poll::Ready(Err(status)) = calls.poll_ready(Waker::noop()) else {
        panic!("a connection that has failed is not ready");
    };
    assert_eq!(status.executed(), crate::status::Executed::No);
}

#[tokio::test]
async fn who_waits_for_room_or_for_settings_waits_once_however_often_they_are_polled() {
    let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let mut calls = Calls::new(Windows::default());
    for _ in 0..3 {
        assert!(calls.poll_ready(&waker).is_pending());
    }
    assert_eq!(calls.waiting.len(), 1);
    calls.waiting.clear();
    calls.output.resize(OUTPUT_BYTES_MAX, 0);
    let now = Instant::now();
    for _ in 0..3 {
        let opened = calls.open(&request(now), &Payload { number: 1 }, now, &waker);
        assert!(matches!(opened, Ok(Opened::Full)));
    }
    assert_eq!(calls.waiting.len(), 1);
}

/// What can happen to the calls of a connection, in any order.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Answer(usize),
    Abandon(usize),
    /// An answer to a call that is over.
    AnswerLate(usize),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Open),
        (0..32_usize).prop_map(Step::Answer),
        (0..32_usize).prop_map(Step::Abandon),
        (0..32_usize).prop_map(Step::AnswerLate),
        (0..32_usize).prop_map(Step::Take),
    ]
}

proptest! {
    /// Whatever a server sends, and its frames come from this list oftener than from chance.
    #[test]
    fn no_frames_make_it_panic(
        frames in proptest::collection::vec(
            (1_u8..10, 0_u32..4, proptest::collection::vec(any::<u8>(), 0..30)),
            1..20,
        ),
    ) {
        let mut calls = Calls::new(Windows::default());
        open(&mut calls, 1, 1000);
        let mut bytes = BytesMut::new();
        for (kind, call, payload) in frames {
            let start = bytes.len();
            frame::write(&mut bytes, Header { call, ..Header::connection(Kind::Ping) }, &payload);
            bytes[start + 4] = kind;
        }
        let mut decoder = frame::Decoder::new(16);
        while let Some(arrived) = Arrived::next(&mut decoder, &mut bytes) {
            let _ = calls.receive(arrived, &mut Vec::new());
        }
    }

    /// "A cancelled call hands its reply to the next caller": never here.
    #[test]
    fn each_caller_gets_its_own_answer_or_none(steps in proptest::collection::vec(step(), 1..200)) {
        let mut calls = Calls::new(Windows::default());
        let mut waiting: Vec<(CallId, u64)> = Vec::new();
        let mut answered: HashMap<u64, bool> = HashMap::new();
        let mut over: Vec<(CallId, u64)> = Vec::new();
        let mut next = 0;
        let mut woken = Vec::new();
        for step in steps {
            match step {
                Step::Open => {
                    next += 1;
                    waiting.push((open(&mut calls, next, 60_000), next));
                }
                Step::Answer(i) if !waiting.is_empty() => {
                    let (id, number) = waiting[i % waiting.len()];
                    calls.receive(answer(id, number), &mut woken).unwrap();
                    answered.insert(number, true);
                }
                Step::Abandon(i) if !waiting.is_empty() => {
                    let call = waiting.swap_remove(i % waiting.len());
                    calls.abandon(call.0);
                    // What the server had sent before it heard of it is still to come, and only
                    // until the next answer to this slot.
                    over = vec![call];
                }
                Step::AnswerLate(i) if !over.is_empty() => {
                    let (id, number) = over[i % over.len()];
                    calls.receive(answer(id, number), &mut woken).unwrap();
                }
                Step::Take(i) if !waiting.is_empty() => {
                    let at = i % waiting.len();
                    let (id, number) = waiting[at];
                    let got = outcome(&mut calls, id);
                    prop_assert_eq!(got.is_some(), answered.contains_key(&number));
                    if let Some(got) = got {
                        prop_assert_eq!(got.unwrap(), number);
                        waiting.swap_remove(at);
                    }
                }
                _ => {}
            }
            prop_assert_eq!(calls.in_flight(), waiting.len());
        }
    }
}
