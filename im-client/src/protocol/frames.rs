//! Binary frames.

use super::{Dialogue, JsonDialogue};
use crate::{
    error::{BadRequest, ConnectionError},
    transport::Incoming,
};
use bytes::BytesMut;
use im_wire::{
    Command,
    frames::{Frame, Frames, HEADER_BYTES, put_frame},
};

/// The longest frame that a server may send: a history of 1 MiB of texts, each of their bytes escaped.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A connection's side of frames.
#[derive(Debug)]
pub(crate) struct FramesDialogue {
    frames: Frames,
    json: JsonDialogue,
}

impl FramesDialogue {
    pub(crate) fn new() -> Self {
        Self { frames: Frames::new(FRAME_BYTES_MAX), json: JsonDialogue::new() }
    }
}

impl Dialogue for FramesDialogue {
    fn start(&mut self, request: &Command, output: &mut BytesMut) -> Result<(), BadRequest> {
        let (kind, body) = self.json.framed(request, HEADER_BYTES)?;
        put_frame(output, kind, &body);
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.frames.receive(bytes);
    }

    fn take(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        if let Some(answer) = self.json.early() {
            return Ok(Some(answer));
        }
        while let Some(frame) = self.frames.next_frame() {
            let incoming = match frame {
                Frame::Whole { kind, body } => self.json.framed_answer(kind, body)?,
                Frame::OtherVersion { .. } => {
                    return Err(ConnectionError::Protocol("a frame of another version"));
                }
                Frame::BadLength | Frame::TooBig => {
                    return Err(ConnectionError::Protocol("a frame of no length that is taken"));
                }
            };
            if incoming.is_some() {
                return Ok(incoming);
            }
        }
        Ok(None)
    }
}
