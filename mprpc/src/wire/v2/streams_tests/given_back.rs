//! When a receiver gives the connection's credit back.

use std::task::Waker;

use bytes::{Bytes, BytesMut};

use super::super::flow::Windows;
use super::super::frame::{HEADER_BYTES, Header, Kind};
use super::super::head::Settings;
use super::super::server_streams::Streams;
use super::BOTH;

fn receive(streams: &mut Streams, call: u32, cost: usize) {
    let header = Header { kind: Kind::Data, flags: 0, method: 0, call };
    let payload = Bytes::from(vec![0; cost - HEADER_BYTES]);
    streams.receive(header, payload, true, &mut Vec::new()).unwrap();
}

/// Else the sender of one that is read might wait for it for good.
#[test]
fn what_was_taken_comes_back_when_a_stream_that_stalls_takes_what_is_left() {
    let windows = Windows { stream_max: 6_000, connection: 10_000 };
    let mut streams = Streams::new(windows, &Settings::default());
    let (read, _stalls) = (streams.open(0, BOTH), streams.open(1, BOTH));
    receive(&mut streams, 0, 2_000);
    assert!(streams.poll_next(read, Waker::noop()).is_ready());
    assert!(!streams.has_output(), "the sender has much left");
    receive(&mut streams, 1, 3_000);
    let mut output = BytesMut::new();
    streams.take_output(&mut output, &mut Vec::new());
    assert_eq!(output[HEADER_BYTES + 4..], 2_000_u32.to_le_bytes());
}
