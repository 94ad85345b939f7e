//! The protocols, without sockets and without clocks: commands to bytes, bytes to what a server says.
//!
//! | file | holds |
//! |---|---|
//! | `expected.rs` | what the answer to a command is to say |
//! | `text.rs` | text lines |
//! | `json/` | the bodies that frames and WebSocket share, and which answer belongs to which request |
//! | `frames.rs` | binary frames around those bodies |
//!
//! WebSocket's own framing is that of a library, see `web_socket.rs` beside this folder.

mod expected;
mod frames;
mod json;
mod text;

pub(crate) use self::{
    frames::FramesDialogue,
    json::{ENVELOPE_BYTES_MAX, JsonDialogue},
    text::TextDialogue,
};

use crate::{
    error::{BadRequest, ConnectionError},
    transport::Incoming,
};
use bytes::BytesMut;
use expected::Expected;
use im_wire::Command;

/// One connection's side of a protocol that is a stream of bytes.
pub(crate) trait Dialogue: Send + 'static {
    /// Appends a request to what is to be written. After an error nothing was appended.
    fn start(&mut self, request: &Command, output: &mut BytesMut) -> Result<(), BadRequest>;

    /// Takes what was read.
    fn receive(&mut self, bytes: &[u8]);

    /// The next thing that the server said, if a whole one is there. After an error the connection is
    /// of no use any more.
    fn take(&mut self) -> Result<Option<Incoming>, ConnectionError>;
}
