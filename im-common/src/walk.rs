//! The walk of a message from hop to hop, as tracing spans: one for each hop, at level DEBUG under
//! the target [`TARGET`], with the messages concerned in `msg_ids` (`1,2,3`).
//!
//! ```
//! use im_common::walk;
//!
//! let hop = walk::hop!("message.commit");
//! let msg_ids = hop.in_scope(|| [1, 2, 3]);
//! walk::record(&hop, msg_ids);
//! ```
//!
//! The default filter `info` skips the spans for the price of one comparison each.

use tracing::Span;

/// The target of the spans, for a log's filter: `info,walk=debug`.
pub const TARGET: &str = "walk";

/// Opens the span of a hop. Which messages it is about may be known only later, see
/// [`record`].
#[doc(hidden)]
#[macro_export]
macro_rules! __walk_hop {
    ($name:literal) => {
        $crate::walk::__tracing::debug_span!(
            target: $crate::walk::TARGET,
            $name,
            msg_ids = $crate::walk::__tracing::field::Empty
        )
    };
}
#[doc(inline)]
pub use __walk_hop as hop;
#[doc(hidden)]
pub use tracing as __tracing;

/// Notes which messages a hop is about. Does nothing while the walk is not being watched.
pub fn record(hop: &Span, msg_ids: impl IntoIterator<Item = i64>) {
    if hop.is_disabled() {
        return;
    }
    let msg_ids: Vec<String> = msg_ids.into_iter().map(|msg_id| msg_id.to_string()).collect();
    hop.record("msg_ids", msg_ids.join(","));
}
