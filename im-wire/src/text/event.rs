//! The lines that tell of something that is not kept: they carry no id, are shown to clients that
//! asked for them with `EVENTS on` or `RECEIPTS on`, and may be left out at any time.

use super::{
    escape::write_escaped,
    message::{Fields, PushLine},
};
use crate::{Event, Receipt, Status};
use bytes::BytesMut;
use std::fmt::{self, Write};

/// A name and some fields; a whisper takes what it takes.
const FIELDS_BYTES: usize = 64;

impl Receipt {
    /// Writes the line with its LF.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        let Self { from, group_id, delivered, read } = self;
        write!(out, "RECEIPT from={from}")?;
        for (name, number) in [("group", group_id), ("delivered", delivered), ("read", read)] {
            if let Some(number) = number {
                write!(out, " {name}={number}")?;
            }
        }
        out.write_char('\n')
    }
}

impl Event {
    /// The line, for every session that gets this event: encoded once, however many those are.
    pub fn encode(&self) -> PushLine {
        let mut line = BytesMut::with_capacity(FIELDS_BYTES);
        // Writing to memory does not fail.
        let _ = self.write(&mut line);
        PushLine::of(line)
    }

    fn write(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Typing { from, group_id } => {
                write!(out, "TYPING from={from}")?;
                if let Some(group_id) = group_id {
                    write!(out, " group={group_id}")?;
                }
            }
            Self::Presence { uid, status } => {
                write!(out, "PRESENCE uid={uid} status={}", status.as_str())?;
            }
            Self::Whisper { from, group_id, text } => {
                write!(out, "WHISPER from={from}")?;
                if let Some(group_id) = group_id {
                    write!(out, " group={group_id}")?;
                }
                out.write_str(" text=")?;
                write_escaped(out, text)?;
            }
            Self::Receipt(receipt) => return receipt.write(out),
        }
        out.write_char('\n')
    }

    /// Reads what stands behind the line's first word. A field that is not known is skipped, so that
    /// servers can add fields. `None` for another word, or where a field lacks or is no number.
    pub(crate) fn parse(word: &str, fields: &str) -> Option<Self> {
        let number = |name| field(fields, name).map(|value| value.parse::<i64>().ok());
        // Outer `None`: it is there, and no number.
        let perhaps = |name| match number(name) {
            None => Some(None),
            Some(number) => number.map(Some),
        };
        Some(match word {
            "TYPING" => Self::Typing { from: number("from")??, group_id: perhaps("group")? },
            "RECEIPT" => Self::Receipt(Receipt {
                from: number("from")??,
                group_id: perhaps("group")?,
                delivered: perhaps("delivered")?,
                read: perhaps("read")?,
            }),
            "WHISPER" => {
                let mut found = Fields::default();
                let text = found.read(fields)?.to_owned();
                Self::Whisper { from: found.from?, group_id: found.group, text }
            }
            "PRESENCE" => Self::Presence {
                uid: number("uid")??,
                status: Status::of(field(fields, "status")?.as_bytes())?,
            },
            _ => return None,
        })
    }
}

/// The value of `name=value` among fields that a space divides.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = fields.split(' ').filter_map(|field| field.split_once('='));
    fields.find(|(found, _)| *found == name).map(|(_, value)| value)
}
