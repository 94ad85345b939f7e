//! From committed entries to the gateways of their recipients, over numbered links.

mod dispatcher;
mod queue;

pub(crate) use self::dispatcher::{DeliverError, Dispatcher};
pub(crate) use self::queue::{
    Around, Direct, LinkedQueue, PushLimits, Queue, StreamLimits, StreamQueue,
};
