//! Messages to and from a server, which may be compressed.

use bytes::Bytes;

use super::client::{Calls, too_large};
use super::compression::{Body, Compression};
use super::frame::{FRAME_BYTES_MAX, Header};
use crate::Status;

impl Calls {
    /// The message of an answer.
    ///
    /// # Errors
    /// The server broke the protocol.
    pub(super) fn message(
        &self,
        header: Header,
        payload: Bytes,
    ) -> Result<Result<Body, Status>, String> {
        let body = Body::read(header.flags, payload, self.compression)?;
        let bytes = body.len();
        if bytes > FRAME_BYTES_MAX as usize {
            return Ok(Err(too_large(bytes)));
        }
        Ok(Ok(body))
    }

    /// How messages to the server are compressed, if this side does and the server takes it.
    pub(crate) fn compression(&self) -> Compression {
        self.compression.towards(self.peer_inflates)
    }
}
