//! What is sent, and what has become of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::super::flow;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Numbered {
    #[prost(uint64, tag = "1")]
    pub(super) stream: u64,
    #[prost(uint64, tag = "2")]
    pub(super) at: u64,
    #[prost(bytes, tag = "3")]
    pub(super) padding: Vec<u8>,
}

/// One direction of a stream: what was sent and what was taken.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) sent: u64,
    pub(super) taken: u64,
    /// The cost of what was sent and is not taken.
    pub(super) outstanding: i64,
    pub(super) costs: BTreeMap<u64, i64>,
}

impl Flow {
    pub(super) fn sent(&mut self, message: &Numbered) {
        let cost = flow::cost(message.encoded_len());
        self.costs.insert(self.sent, cost);
        self.outstanding += cost;
        self.sent += 1;
    }

    /// No message is lost, doubled, reordered, or another stream's.
    pub(super) fn took(&mut self, stream: u64, message: Bytes) {
        let message = Numbered::decode(message).unwrap();
        assert_eq!((message.stream, message.at), (stream, self.taken));
        self.outstanding -= self.costs.remove(&self.taken).unwrap();
        self.taken += 1;
    }
}
