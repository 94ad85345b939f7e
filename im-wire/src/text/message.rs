//! The two lines that carry a message: `MSG`, which the server pushes, and `HIST`, which answers
//! `HISTORY`.

use super::{conversation, escape::write_escaped};
use crate::{Hist, Message, Peer};
use bytes::{Bytes, BytesMut};
use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// Five fields of a name and up to 20 digits; what else a line takes is for text that must be escaped.
const FIELDS_BYTES: usize = 128;

/// A message on its way to a client: `MSG id=… from=… ts=… text=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push<'a> {
    /// The message's id.
    pub msg_id: i64,
    /// The sender's uid.
    pub from: i64,
    /// The receiver's uid; only in what a sender's *other* devices get of a direct message.
    pub to: Option<i64>,
    /// When it was stored, in milliseconds since 1970.
    pub ts_ms: i64,
    /// The group that it was sent to.
    pub group_id: Option<i64>,
    /// Escaped on its way out, so what a client gets back is not always what was put in.
    pub text: Cow<'a, str>,
}

impl Push<'_> {
    /// The line, for every session that gets this message: encoded once, however many those are.
    pub fn encode(&self) -> PushLine {
        let mut line = BytesMut::with_capacity(self.text.len() + FIELDS_BYTES);
        // Writing to memory does not fail.
        let _ = self.write(&mut line);
        PushLine::of(line)
    }

    fn write(&self, out: &mut impl Write) -> fmt::Result {
        write!(out, "MSG id={} from={}", self.msg_id, self.from)?;
        if let Some(to) = self.to {
            write!(out, " to={to}")?;
        }
        write!(out, " ts={}", self.ts_ms)?;
        if let Some(group_id) = self.group_id {
            write!(out, " group={group_id}")?;
        }
        out.write_str(" text=")?;
        write_escaped(out, &self.text)?;
        out.write_char('\n')
    }

    pub(crate) fn parse(fields: &str) -> Option<Push<'static>> {
        let mut found = Fields::default();
        let text = found.read(fields)?;
        Some(Push {
            msg_id: found.id?,
            from: found.from?,
            to: found.to,
            ts_ms: found.ts?,
            group_id: found.group,
            text: Cow::Owned(text.to_owned()),
        })
    }
}

impl Message {
    /// Its line, as [`Push::encode`] makes it.
    pub(crate) fn line(&self) -> PushLine {
        let (to, group_id) = match self.to {
            Peer::User(to) => (Some(to).filter(|_| self.is_copy), None),
            Peer::Group(group_id) => (None, Some(group_id)),
        };
        let text = Cow::Borrowed(&*self.text);
        let Self { msg_id, from, ts_ms, .. } = *self;
        Push { msg_id, from, to, ts_ms, group_id, text }.encode()
    }
}

/// An encoded [`Push`](Push::encode) or [`Event`](crate::Event::encode): one whole line. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct PushLine(Bytes);

impl PushLine {
    /// `line` is one whole line.
    pub(super) fn of(line: BytesMut) -> Self {
        debug_assert!(line.iter().position(|byte| *byte == b'\n') == Some(line.len() - 1));
        Self(line.freeze())
    }

    /// The line with its LF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Hist<'_> {
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        let Self { seq, msg_id, from, ts_ms, text } = self;
        write!(out, "HIST seq={seq} id={msg_id} from={from} ts={ts_ms} text=")?;
        write_escaped(out, text)?;
        out.write_char('\n')
    }

    pub(crate) fn parse(fields: &str) -> Option<Hist<'static>> {
        let mut found = Fields::default();
        let text = found.read(fields)?;
        Some(Hist {
            seq: found.seq?,
            msg_id: found.id?,
            from: found.from?,
            ts_ms: found.ts?,
            text: Cow::Owned(text.to_owned()),
        })
    }
}

/// The fields of these lines, and of `CONV`.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) id: Option<i64>,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) ts: Option<i64>,
    pub(crate) group: Option<i64>,
    pub(crate) seq: Option<i64>,
    pub(crate) peer: Option<Peer>,
    pub(crate) head: Option<i64>,
    pub(crate) read: Option<i64>,
    pub(crate) unread: Option<u32>,
    pub(crate) last_id: Option<i64>,
}

impl Fields {
    /// Reads `name=value` fields up to `text=`, which takes the rest. A name that is not known is
    /// skipped, so that servers can add fields. `None` where there is no text or a known field is
    /// no value of its kind.
    pub(crate) fn read<'a>(&mut self, mut fields: &'a str) -> Option<&'a str> {
        loop {
            if let Some(text) = fields.strip_prefix("text=") {
                return Some(text);
            }
            let (field, rest) = fields.split_once(' ')?;
            fields = rest;
            let Some((name, value)) = field.split_once('=') else {
                continue;
            };
            let place = match name {
                "id" => &mut self.id,
                "from" => &mut self.from,
                "to" => &mut self.to,
                "ts" => &mut self.ts,
                "group" => &mut self.group,
                "seq" => &mut self.seq,
                "head" => &mut self.head,
                "read" => &mut self.read,
                "last_id" => &mut self.last_id,
                "peer" => {
                    self.peer = Some(value.parse().ok()?);
                    continue;
                }
                "unread" => {
                    self.unread = Some(conversation::unread(value)?);
                    continue;
                }
                _ => continue,
            };
            *place = Some(value.parse().ok()?);
        }
    }
}
