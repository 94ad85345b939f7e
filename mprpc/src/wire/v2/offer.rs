//! What a side says of itself when a connection begins.

use super::compression::Compression;
use super::flow::Windows;
use super::frame::FRAME_BYTES_MAX;
use super::head::Settings;

/// What of it is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// How much of streams waits for their readers.
    pub(crate) windows: Windows,
    pub(crate) compression: Compression,
}

impl From<Windows> for Offer {
    fn from(windows: Windows) -> Self {
        Self { windows, compression: Compression::default() }
    }
}

impl Offer {
    /// The same, with nothing that makes no sense.
    pub(crate) fn bounded(self) -> Self {
        Self { windows: self.windows.bounded(), ..self }
    }

    /// As it says so; a client has no `calls_max`.
    pub(super) fn settings(self, calls_max: u32) -> Settings {
        let (stream_window, connection_window) = self.windows.announced();
        Settings {
            frame_bytes_max: FRAME_BYTES_MAX,
            calls_max,
            stream_window,
            connection_window,
            inflates: self.compression.is_on(),
        }
    }
}
