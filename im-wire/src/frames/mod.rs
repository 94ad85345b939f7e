//! Binary frames: a header of 8 bytes and a JSON body.
//!
//! ```text
//! u32 total length, with the header | u16 type | u8 version | u8 reserved | body      (big-endian)
//! ```
//!
//! `docs/CLIENTS.md` has the types and their bodies. What holds of text lines holds here as well: one
//! request, one answer; answers leave in the order of the requests; pushes stand between answers.
//!
//! | file | holds |
//! |---|---|
//! | `header.rs` | [`Frames`]: bytes to frames, and what is wrong with a header |
//! | `server.rs` | [`ServerConnection`]: the server's side of one connection |

mod header;
mod server;

pub(crate) use self::header::kind_of;
pub use self::{
    header::{Frame, Frames, HEADER_BYTES, VERSION, put_frame},
    server::{DEVICE, FrameLimits, ServerConnection, closing_frame},
};
