//! `CONV`: the line that answers `CONVERSATIONS`, one for each.

use super::{escape::write_escaped, message::Fields};
use crate::Conv;
use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// From here on there are too many unread messages to be counted.
const UNREAD_MANY: u32 = 100;

impl Conv<'_> {
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        let Self { peer, head, read, unread, last_msg_id, from, ts_ms, text } = self;
        write!(out, "CONV peer={peer} head={head} read={read} unread=")?;
        match unread {
            0..UNREAD_MANY => write!(out, "{unread}")?,
            _ => out.write_str("99+")?,
        }
        write!(out, " last_id={last_msg_id} from={from} ts={ts_ms} text=")?;
        write_escaped(out, text)?;
        out.write_char('\n')
    }

    pub(crate) fn parse(fields: &str) -> Option<Conv<'static>> {
        let mut found = Fields::default();
        let text = found.read(fields)?;
        Some(Conv {
            peer: found.peer?,
            head: found.head?,
            read: found.read?,
            unread: found.unread?,
            last_msg_id: found.last_id?,
            from: found.from?,
            ts_ms: found.ts?,
            text: Cow::Owned(text.to_owned()),
        })
    }
}

/// Reads how many are unread, with `99+` as 100.
pub(crate) fn unread(value: &str) -> Option<u32> {
    if value == "99+" { Some(UNREAD_MANY) } else { value.parse().ok() }
}
