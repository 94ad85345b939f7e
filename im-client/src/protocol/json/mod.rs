//! The JSON bodies of frames and WebSocket: `docs/CLIENTS.md` says what is in them.

mod answers;
mod requests;

use super::Expected;
use crate::{
    error::{BadRequest, ConnectionError},
    transport::Incoming,
};
use answers::Body;
use im_wire::{Command, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::collections::VecDeque;

/// The longest message that a server may send.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest request: a server takes no longer one, and would end the connection.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The numbers of the types.
mod kinds {
    pub(super) const LOG_IN: u16 = 1001;
    pub(super) const LOG_OUT: u16 = 1003;
    pub(super) const REGISTER: u16 = 1005;
    pub(super) const REFRESH: u16 = 1007;
    pub(super) const PASSWORD: u16 = 1009;
    pub(super) const TO_USER: u16 = 2001;
    pub(super) const TO_GROUP: u16 = 2002;
    pub(super) const CONFIRM: u16 = 2003;
    pub(super) const TYPING: u16 = 2004;
    pub(super) const WHISPER: u16 = 2005;
    pub(super) const PRESENCE: u16 = 3001;
    pub(super) const CONVERSATIONS: u16 = 3002;
    pub(super) const HISTORY: u16 = 3004;
    pub(super) const OPERATION: u16 = 4001;
    pub(super) const ERROR: u16 = 9001;
    pub(super) const HEARTBEAT: u16 = 9002;
}

/// Requests, which answer belongs to which, and what is shown between them.
#[derive(Debug)]
pub(crate) struct JsonDialogue {
    /// Of each request that was not answered, with its id. A heartbeat that was answered before its turn
    /// has none.
    expected: VecDeque<(u64, Option<Expected>)>,
    /// The id of the request before the next.
    last_id: u64,
    /// Who is logged in; 0: nobody.
    me: i64,
}

#[derive(Serialize)]
struct Asked<'a> {
    #[serde(rename = "type")]
    kind: u16,
    id: u64,
    body: &'a Value,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: u16,
    id: Option<u64>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl JsonDialogue {
    pub(crate) fn new() -> Self {
        Self { expected: VecDeque::new(), last_id: 0, me: 0 }
    }

    /// A request as the type and the body of a frame, whose header has so many bytes.
    pub(crate) fn framed(
        &mut self,
        request: &Command,
        header_bytes: usize,
    ) -> Result<(u16, Vec<u8>), BadRequest> {
        let (kind, mut body) = requests::request(request)?;
        body["id"] = (self.last_id + 1).into();
        let body = fits(body.to_string().into_bytes(), header_bytes)?;
        self.expect(request);
        Ok((kind, body))
    }

    /// A request as an envelope.
    pub(crate) fn enveloped(&mut self, request: &Command) -> Result<Vec<u8>, BadRequest> {
        let (kind, body) = requests::request(request)?;
        let asked = Asked { kind, id: self.last_id + 1, body: &body };
        // Writing to memory does not fail, and no key is anything but a string.
        let envelope = fits(serde_json::to_vec(&asked).unwrap_or_default(), 0)?;
        self.expect(request);
        Ok(envelope)
    }

    fn expect(&mut self, request: &Command) {
        self.last_id += 1;
        self.expected.push_back((self.last_id, Some(Expected::of(request))));
    }

    /// The answer whose turn has come, if it came before.
    pub(crate) fn early(&mut self) -> Option<Incoming> {
        let is_early = |(_, expected): &mut (u64, Option<Expected>)| expected.is_none();
        self.expected.pop_front_if(is_early)?;
        Some(Incoming::Answer(Ok(Reply::Pong)))
    }

    /// What the body of a frame says; `None` for what is not known here.
    pub(crate) fn framed_answer(
        &mut self,
        kind: u16,
        body: &[u8],
    ) -> Result<Option<Incoming>, ConnectionError> {
        let body = read::<Body>(body)?;
        self.said(kind, body.id, body)
    }

    /// What an envelope says; `None` for what is not known here.
    pub(crate) fn enveloped_answer(
        &mut self,
        envelope: &[u8],
    ) -> Result<Option<Incoming>, ConnectionError> {
        let Said { kind, id, body } = read(envelope)?;
        let body = read(body.map_or("{}", RawValue::get).as_bytes())?;
        self.said(kind, id, body)
    }

    fn said(
        &mut self,
        kind: u16,
        id: Option<u64>,
        body: Body,
    ) -> Result<Option<Incoming>, ConnectionError> {
        let is_beat = kind == kinds::HEARTBEAT + 1;
        if !is_beat && body.code.is_none() {
            return Ok(answers::shown(kind, body, self.me).map(Incoming::Shown));
        }
        if let (kinds::ERROR, None, Some(reason)) = (kind, id, body.closing()) {
            return Err(ConnectionError::Closing(reason.to_owned()));
        }
        // A server answers a heartbeat at once, whatever else is under way.
        if is_beat
            && let Some((_, expected)) =
                self.expected.iter_mut().skip(1).find(|(asked, _)| Some(*asked) == id)
        {
            *expected = None;
            return Ok(None);
        }
        match self.expected.pop_front() {
            Some((asked, Some(expected))) if id == Some(asked) => {
                let answer = self.answer(expected, body)?;
                Ok(Some(answer))
            }
            Some(_) => Err(ConnectionError::Protocol("an answer to something else")),
            None => Err(ConnectionError::Protocol("an answer that nobody asked for")),
        }
    }

    fn answer(&mut self, expected: Expected, body: Body) -> Result<Incoming, ConnectionError> {
        if let Some(refusal) = body.refusal() {
            return Ok(Incoming::Answer(Err(refusal)));
        }
        let reply = answers::reply(expected, body);
        let reply = reply.ok_or(ConnectionError::Protocol("an answer to something else"))?;
        match &reply {
            Reply::LoggedIn(logged_in) => self.me = logged_in.user_id,
            Reply::LoggedOut => self.me = 0,
            _ => {}
        }
        Ok(Incoming::Answer(Ok(reply)))
    }
}

fn fits(request: Vec<u8>, header_bytes: usize) -> Result<Vec<u8>, BadRequest> {
    match header_bytes + request.len() {
        ..=REQUEST_BYTES_MAX => Ok(request),
        bytes => Err(BadRequest::TooBig(bytes)),
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ConnectionError> {
    serde_json::from_slice(json).map_err(|_| ConnectionError::Protocol("no JSON that it may send"))
}
