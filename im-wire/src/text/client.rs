//! The client's side: what stands in a server's line.

use super::message::Push;
use crate::{Conv, Event, Hist};

/// One line from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLine {
    /// `+OK <text>`: the oldest unanswered command succeeded. (The first line of a connection,
    /// the welcome, answers none.)
    Ok(String),
    /// `-ERR <text>`: the oldest unanswered command was refused.
    Err(String),
    /// `-ERR closing <reason>`: the connection ends here. It answers nothing.
    Closing(String),
    /// `MSG …`: a message. It answers nothing.
    Push(Push<'static>),
    /// `TYPING …`, `PRESENCE …`, `WHISPER …`: what a client that said `EVENTS on` is told beside
    /// messages; `RECEIPT …` for one that said `RECEIPTS on`. It answers nothing, or it is part of the
    /// answer to `RECEIPTS <uid or g<gid>>`.
    Event(Event),
    /// `HIST …`: part of the answer to the oldest unanswered command.
    Hist(Hist<'static>),
    /// `CONV …`: part of the answer to the oldest unanswered command.
    Conv(Conv<'static>),
}

/// A line that no server of this protocol sends. What follows it cannot be trusted to be in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent a line that is neither a reply nor a message")]
pub struct BadServerLine;

impl ServerLine {
    /// Reads a line (without its end). Bytes that are not UTF-8 are replaced, since the original's
    /// servers pass on what they were sent.
    ///
    /// # Errors
    ///
    /// [`BadServerLine`] when it starts like no line of a server, or a message lacks a field.
    pub fn parse(line: &[u8]) -> Result<Self, BadServerLine> {
        let line = &*String::from_utf8_lossy(line);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "+OK" => Ok(Self::Ok(rest.to_owned())),
            "-ERR" => Ok(match rest.strip_prefix("closing ") {
                Some(reason) => Self::Closing(reason.to_owned()),
                None => Self::Err(rest.to_owned()),
            }),
            "MSG" => Push::parse(rest).map(Self::Push).ok_or(BadServerLine),
            "HIST" => Hist::parse(rest).map(Self::Hist).ok_or(BadServerLine),
            "CONV" => Conv::parse(rest).map(Self::Conv).ok_or(BadServerLine),
            word => Event::parse(word, rest).map(Self::Event).ok_or(BadServerLine),
        }
    }
}
