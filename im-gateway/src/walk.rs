//! The spans of a message's walk through the gateway, with the messages concerned in `msg_ids`
//! (`1,2,3`).

use tracing::Span;

/// Opens the span of a hop. Which messages it is about is told with [`record`].
macro_rules! hop {
    ($name:literal) => {
        tracing::debug_span!(target: im_common::WALK, $name, msg_ids = tracing::field::Empty)
    };
}
pub(crate) use hop;

/// Notes which messages a hop is about; free while nobody watches.
pub(crate) fn record(hop: &Span, msg_ids: impl Iterator<Item = i64>) {
    if hop.is_disabled() {
        return;
    }
    let msg_ids: Vec<String> = msg_ids.map(|msg_id| msg_id.to_string()).collect();
    hop.record("msg_ids", msg_ids.join(","));
}
