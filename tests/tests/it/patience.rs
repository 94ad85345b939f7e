//! Bounds for stacks on a machine that is busy with other tests, where a bound is not what a test is
//! about.

use mpim_tests::{Service, StackBuilder};

/// Signals and events, which are dropped in silence rather than late.
pub(crate) fn with_events(stack: StackBuilder) -> StackBuilder {
    stack
        .set(Service::Gateway, "calls.signal_timeout_ms", 30_000)
        .set(Service::Message, "events.timeout_ms", 30_000)
        .set(Service::Presence, "push.timeout_ms", 30_000)
}

/// What a session has shown, which comes again when it was not written in time at the end of the
/// session.
pub(crate) fn with_cursors(stack: StackBuilder) -> StackBuilder {
    stack
        .set(Service::Gateway, "calls.hand_over_ms", 10_000)
        .set(Service::Gateway, "calls.timeout_ms", 15_000)
        .set(Service::Presence, "routes.close_timeout_ms", 10_000)
}
