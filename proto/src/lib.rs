//! The contracts between the services of MPIM: the messages of package `mpim` and, for each
//! service, a module with its trait, its server and its client (see `mprpc-build`).
//!
//! A domain failure (a wrong password, no such group) is an answer with a [`Result`], never a
//! status: callers on the classic wire have no other way to learn of it.
//!
//! * [`user_service`], [`group_service`], [`message_service`] with [`dead_letter_service`] beside it,
//!   [`presence_service`] with its parts [`routing_service`], [`dispatch_service`] and
//!   [`connection_service`], [`gateway_service`]: one module for each service;
//! * [`health()`]: the service that every binary answers on its own port;
//! * [`DeviceName`]: how devices are called;
//! * [`push_stream_name`]: where in Redis pushes stand that are not calls;
//! * `result`: makers for [`Result`], in the original's words.

#![expect(missing_docs, reason = "generated from .proto files, which carry the documentation")]

mod device;
mod health;
mod push_stream;
mod result;

pub use device::{DeviceClass, DeviceName, TEXT_DEVICE};
pub use health::health;
pub use push_stream::{PUSH_STREAM_FIELD, push_stream_name};

mprpc::include_proto!("mpim");
