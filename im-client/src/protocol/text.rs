//! Text lines: one line for a request, one for its answer, others between them.

use super::{Dialogue, Expected};
use crate::{
    error::{BadRequest, ConnectionError},
    transport::Incoming,
};
use bytes::{BufMut as _, BytesMut};
use im_wire::{
    Conv, Credential, Event, Hist, LogIn, Message, Peer, Receipt, Refusal, Reply, Secret, Status,
    Wants, What,
    text::{Command, EncodeError, Line, LineDecoder, Push, ServerLine},
};
use std::{collections::VecDeque, mem::take};

/// The longest line that a server may send: a list of 100,000 ids fits.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The most lines before the last one of an answer.
const LIST_MAX: usize = 10_000;
/// A message that no session has pending. Whoever acknowledges anything acknowledges for itself from
/// then on, and what its kernel has does not count as delivered any more.
const NO_MESSAGE: i64 = 1;
const DEVICE_CLASSES: [&str; 5] = ["text", "web", "mobile", "desktop", "bot"];
const DEVICE_ID_BYTES_MAX: usize = 64;

/// A connection's side of text lines.
#[derive(Debug)]
pub(crate) struct TextDialogue {
    decoder: LineDecoder,
    welcomed: bool,
    /// Of each line that was not answered; `None` where nobody asks what the answer is.
    expected: VecDeque<Option<Expected>>,
    /// Who is logged in; 0: nobody.
    me: i64,
    /// The messages of an answer whose last line has not come yet.
    history: Vec<Hist<'static>>,
    /// Its conversations, likewise.
    conversations: Vec<Conv<'static>>,
    /// Its positions, likewise.
    receipts: Vec<Receipt>,
}

impl TextDialogue {
    pub(crate) fn new() -> Self {
        Self {
            decoder: LineDecoder::new(LINE_BYTES_MAX),
            welcomed: false,
            expected: VecDeque::new(),
            me: 0,
            history: Vec::new(),
            conversations: Vec::new(),
            receipts: Vec::new(),
        }
    }

    /// Whether the first line has come. It looks like an answer and answers nothing.
    pub(crate) fn is_welcomed(&mut self) -> Result<bool, ConnectionError> {
        if !self.welcomed {
            self.welcomed = match self.decoder.next_line().map(parse).transpose()? {
                None => false,
                Some(ServerLine::Ok(_)) => true,
                Some(ServerLine::Err(reason) | ServerLine::Closing(reason)) => {
                    return Err(ConnectionError::Closing(reason));
                }
                Some(_) => return Err(ConnectionError::Protocol("no welcome")),
            };
        }
        Ok(self.welcomed)
    }

    /// A log-in takes several lines, of which only one is answered to whoever asked.
    fn log_in(&mut self, log_in: &LogIn, output: &mut BytesMut) -> Result<(), BadRequest> {
        let LogIn { credential, device, wants } = log_in;
        let Wants { events, receipts, acks, .. } = *wants;
        // With a token the session is the token's device.
        let is_token = matches!(credential, Credential::Token(_));
        let device = device.as_ref().filter(|_| !is_token);
        if device.is_some_and(|device| !is_device(device)) {
            return Err(BadRequest::Device);
        }
        let before = output.len();
        if let Some(name) = device {
            Command::Device { name: name.clone() }.encode(output)?;
        }
        let written = match credential.clone() {
            Credential::Password { username, password } => {
                Command::Login { username, password }.encode(output)
            }
            Credential::New { username, password } => {
                Command::Register { username, password }.encode(output)
            }
            Credential::Token(token) => put_token(&token, output),
        };
        if let Err(error) = written {
            output.truncate(before);
            return Err(error.into());
        }
        let others = [
            events.then_some(Command::Events { on: true }),
            receipts.then_some(Command::Receipts { on: true }),
            acks.then_some(Command::Ack { msg_id: NO_MESSAGE }),
        ];
        self.expected.extend(device.iter().map(|_| None));
        self.expected.push_back(Some(Expected::Session));
        for command in others.into_iter().flatten() {
            command.encode(output)?;
            self.expected.push_back(None);
        }
        Ok(())
    }

    fn line(&mut self, line: ServerLine) -> Result<Option<Incoming>, ConnectionError> {
        match line {
            ServerLine::Ok(text) => return self.granted(&text),
            ServerLine::Err(words) => {
                self.forget_lists();
                let expected = self.oldest()?;
                let refused = Incoming::Answer(Err(Refusal::of(words)));
                return Ok(expected.map(|_| refused));
            }
            ServerLine::Push(push) => {
                return Ok(Some(Incoming::Shown(What::Message(self.message(push)))));
            }
            ServerLine::Hist(message) => self.history.push(message),
            ServerLine::Conv(conversation) => self.conversations.push(conversation),
            ServerLine::Event(Event::Receipt(receipt)) if self.is_asked_for(&receipt) => {
                // One that was pushed just before the answer says less than the answer does.
                self.receipts.retain(|earlier| earlier.from != receipt.from);
                self.receipts.push(receipt);
            }
            ServerLine::Event(event) => return Ok(Some(Incoming::Shown(What::Event(event)))),
            ServerLine::Closing(reason) => return Err(ConnectionError::Closing(reason)),
        }
        match self.history.len() + self.conversations.len() + self.receipts.len() {
            ..=LIST_MAX => Ok(None),
            _ => Err(ConnectionError::Protocol("an answer without an end")),
        }
    }

    /// Whether it is part of the answer that comes next.
    fn is_asked_for(&self, receipt: &Receipt) -> bool {
        match (self.expected.front(), receipt.group_id) {
            (Some(Some(Expected::Receipts(Peer::Group(asked)))), Some(group_id)) => {
                *asked == group_id
            }
            (Some(Some(Expected::Receipts(Peer::User(asked)))), None) => *asked == receipt.from,
            _ => false,
        }
    }

    fn oldest(&mut self) -> Result<Option<Expected>, ConnectionError> {
        let nobody = ConnectionError::Protocol("an answer that nobody asked for");
        self.expected.pop_front().ok_or(nobody)
    }

    fn granted(&mut self, text: &str) -> Result<Option<Incoming>, ConnectionError> {
        let Some(expected) = self.oldest()? else { return Ok(None) };
        let is_session = matches!(expected, Expected::Session);
        let is_over = matches!(expected, Expected::Done(Reply::LoggedOut));
        let reply = self.reply(expected, text);
        let reply = reply.ok_or(ConnectionError::Protocol("an answer to something else"))?;
        match reply {
            Reply::Uid(uid) if is_session => self.me = uid,
            _ if is_over => self.me = 0,
            _ => {}
        }
        self.forget_lists();
        Ok(Some(Incoming::Answer(Ok(reply))))
    }

    fn forget_lists(&mut self) {
        self.history.clear();
        self.conversations.clear();
        self.receipts.clear();
    }

    fn reply(&mut self, expected: Expected, text: &str) -> Option<Reply> {
        Some(match expected {
            Expected::Done(reply) => reply,
            Expected::Session | Expected::Me => Reply::Uid(number(text, "uid")?),
            Expected::Sent => match stored(text, "msg_id")? {
                (msg_id, Some(seq)) => Reply::MsgIdSeq(msg_id, seq),
                (msg_id, None) => Reply::MsgId(msg_id),
            },
            Expected::SentToGroup => match stored(text, "group_msg_id")? {
                (msg_id, Some(seq)) => Reply::GroupMsgIdSeq(msg_id, seq),
                (msg_id, None) => Reply::GroupMsgId(msg_id),
            },
            Expected::History => Reply::History(take(&mut self.history)),
            Expected::Conversations => {
                Reply::Conversations { listed: take(&mut self.conversations), next_page: None }
            }
            // Lines have no word for these, so nobody has asked.
            Expected::Granted | Expected::PresenceOf | Expected::Users | Expected::Group => {
                return None;
            }
            Expected::Receipts(_) => Reply::ReceiptsOf(take(&mut self.receipts)),
            Expected::Presence(uid) => {
                let (_, word) = text.rsplit_once("status=")?;
                let all = [Status::Offline, Status::Online, Status::Busy, Status::Away];
                Reply::Presence(uid, all.into_iter().find(|status| status.as_str() == word)?)
            }
            Expected::Ids(of) => of(ids(text)?),
            Expected::GroupId => Reply::GroupId(number(text, "group_id")?),
            Expected::Devices => Reply::Devices(devices(text)?),
        })
    }

    fn message(&self, push: Push<'static>) -> Message {
        let Push { msg_id, from, to, ts_ms, group_id, text } = push;
        let is_copy = from == self.me;
        let to = match group_id {
            Some(group_id) => Peer::Group(group_id),
            None => Peer::User(to.unwrap_or(self.me)),
        };
        Message { msg_id, seq: 0, from, to, is_copy, ts_ms, text: text.into_owned() }
    }
}

impl Dialogue for TextDialogue {
    fn start(&mut self, request: &Command, output: &mut BytesMut) -> Result<(), BadRequest> {
        if let Command::LogIn(log_in) = request {
            return self.log_in(log_in, output);
        }
        request.encode(output)?;
        self.expected.push_back(Some(Expected::of(request)));
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.decoder.receive(bytes);
    }

    fn take(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        while let Some(line) = self.decoder.next_line() {
            let line = parse(line)?;
            if let Some(incoming) = self.line(line)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }
}

fn parse(line: Line<'_>) -> Result<ServerLine, ConnectionError> {
    let Line::Whole(line) = line else {
        return Err(ConnectionError::Protocol("a line of more than 1 MiB"));
    };
    ServerLine::parse(line).map_err(|_| ConnectionError::Protocol("neither a reply nor a message"))
}

/// `TOKEN <token>`.
fn put_token(token: &Secret, output: &mut BytesMut) -> Result<(), EncodeError> {
    let (token, what) = (token.expose(), "the token");
    match token.iter().find(|byte| b" \r\n".contains(byte)) {
        Some(b' ') => Err(EncodeError::Space(what)),
        Some(_) => Err(EncodeError::LineBreak(what)),
        None if token.is_empty() => Err(EncodeError::Empty(what)),
        None => {
            output.put_slice(b"TOKEN ");
            output.put_slice(token);
            output.put_u8(b'\n');
            Ok(())
        }
    }
}

/// `<class>` or `<class>:<id>`.
fn is_device(name: &str) -> bool {
    let (class, id) = name.split_once(':').map_or((name, None), |(class, id)| (class, Some(id)));
    let is_id = |id: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=DEVICE_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
    };
    DEVICE_CLASSES.contains(&class) && id.is_none_or(is_id)
}

/// The number behind `name=`, up to the end or a space.
fn number(text: &str, name: &str) -> Option<i64> {
    let value = text.strip_prefix(name)?.strip_prefix('=')?;
    value.split(' ').next()?.parse().ok()
}

/// `<name>=<id>`, perhaps with ` seq=<n>`.
fn stored(text: &str, name: &str) -> Option<(i64, Option<i64>)> {
    let seq = text.split_once(" seq=").map(|(_, seq)| seq.parse().ok());
    Some((number(text, name)?, seq.flatten()))
}

/// `<name>: 1,2,3`.
fn ids(text: &str) -> Option<Vec<i64>> {
    match text.split_once(": ")? {
        (_, "") => Some(Vec::new()),
        (_, list) => list.split(',').map(|id| id.parse().ok()).collect(),
    }
}

/// `devices: mobile:a offline, text online`.
fn devices(text: &str) -> Option<Vec<(String, bool)>> {
    let list = text.strip_prefix("devices: ")?;
    let devices = list.split(", ").filter(|device| !device.is_empty());
    let device = |device: &str| {
        let (name, state) = device.rsplit_once(' ')?;
        Some((name.to_owned(), state == "online"))
    };
    devices.map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_in(token: &'static str) -> (Result<(), BadRequest>, BytesMut) {
        let credential = Credential::Token(Secret::new(token));
        let wants = Wants { events: true, ..Wants::default() };
        let log_in = LogIn { credential, device: Some("bot:a".to_owned()), wants };
        let mut output = BytesMut::new();
        let said = TextDialogue::new().start(&Command::LogIn(Box::new(log_in)), &mut output);
        (said, output)
    }

    #[test]
    fn a_token_is_a_word_and_says_itself_which_device_it_is() {
        assert_eq!(log_in("a-token"), (Ok(()), BytesMut::from("TOKEN a-token\nEVENTS on\n")));
        let what = "the token";
        for (token, error) in [
            ("", EncodeError::Empty(what)),
            ("a b", EncodeError::Space(what)),
            ("a\nPING", EncodeError::LineBreak(what)),
        ] {
            assert_eq!(log_in(token), (Err(BadRequest::Line(error)), BytesMut::new()));
        }
    }
}
