//! Dispatch: from committed entries to the gateways of their recipients, over numbered links.

mod dispatcher;
mod events;
mod queue;
mod service;

pub(crate) use self::dispatcher::Dispatcher;
pub(crate) use self::events::{EventDispatcher, EventLimits};
pub(crate) use self::queue::{
    Around, Direct, LinkedQueue, PushLimits, Queue, StreamLimits, StreamQueue,
};
pub(crate) use self::service::Dispatch;
