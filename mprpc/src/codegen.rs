//! What generated code uses. Not for people: it changes with the generator.

use prost::Message;

use crate::Status;

pub use crate::channel::ServiceChannel;
pub use crate::service::{Call, Dispatch, Kind, ServiceDescriptor, call};
pub use crate::stream::{Opened, forward_both, forward_requests, forward_responses};
pub use bytes::Bytes;

/// Decodes a request, or says which method's argument it was.
pub fn decode_request<M: Message + Default>(
    service: &ServiceDescriptor,
    method: usize,
    request: Bytes,
) -> Result<M, Status> {
    M::decode(request).map_err(|error| {
        Status::invalid_argument(format!(
            "the request of {} does not parse: {error}",
            service.path(method)
        ))
    })
}

/// The answer to a method number that the service does not have.
#[must_use]
pub fn no_such_method(service: &ServiceDescriptor, method: usize) -> Status {
    Status::unimplemented(format!("{} has no method number {method}", service.full_name))
}
