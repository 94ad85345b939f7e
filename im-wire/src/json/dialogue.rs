//! Requests and answers of one connection, without their wrapping.

use super::answers;
use super::requests::{Class, request};
use super::{About, Id, Me, Tag, kinds};
use crate::closing::LOGGED_OUT;
use crate::pipeline::Pipeline;
use crate::{Command, LoggedIn, Refusal, Reply, Slot, Why, failure};

/// Refusals for want of a log-in that a connection may get in a row; after one more it ends.
const NOT_LOGGED_IN_MAX: u8 = 32;

/// What a request came in, and its answer goes in.
#[derive(Debug)]
pub(crate) enum Wrapped {
    /// A frame, whose body holds the request's id.
    Frame,
    /// An envelope, beside whose body the id stands.
    Envelope(Option<Id>),
}

/// An answer that may leave.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) kind: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) wrapped: Wrapped,
}

/// Who is logged in on a connection, and which of its requests are not answered.
#[derive(Debug)]
pub(crate) struct Dialogue {
    pipeline: Pipeline<Tag>,
    class: Class,
    me: Option<Box<Me>>,
    /// Whoever is logged in did so in a frame.
    framed: bool,
    not_logged_in: u8,
    /// The answer to a heartbeat, which waits for no other.
    beat: Option<Box<Due>>,
    ended: Option<&'static str>,
}

impl Dialogue {
    /// A connection on which nothing was said yet; its device is of that class if it does not say.
    pub(crate) fn new(in_flight_max: usize, class: Class) -> Self {
        let pipeline = Pipeline::new(in_flight_max);
        Self { pipeline, class, me: None, framed: false, not_logged_in: 0, beat: None, ended: None }
    }

    /// Takes a request, while it is not blocked; a heartbeat also while it is. Its command, if it may be
    /// worked on now; what is no command is answered here, in its place.
    pub(crate) fn request(
        &mut self,
        kind: u16,
        body: &[u8],
        wrapped: Wrapped,
    ) -> Option<(Slot, Command)> {
        let (mut tag, asked) = request(kind, body, self.class, self.me.as_deref());
        tag.wrap(wrapped);
        match asked {
            Ok(command) if kind == kinds::HEARTBEAT => {
                debug_assert_eq!(command, Command::Ping);
                // By its own body.
                let body = if body.is_empty() { b"{}" } else { body };
                self.beat = Some(Box::new(tag.due(kind + 1, body.to_vec())));
            }
            Err(refusal) if kind == kinds::HEARTBEAT => {
                let (kind, body) = answers::answer(&tag, None, &Reply::Err(refusal));
                self.beat = Some(Box::new(tag.due(kind, body)));
            }
            Ok(command) => {
                self.not_logged_in = 0;
                return self.pipeline.admit(tag, command);
            }
            Err(refusal) => self.refuse(tag, refusal),
        }
        None
    }

    /// Takes what is no request at all.
    pub(crate) fn refuse_unread(&mut self, kind: u16, wrapped: Wrapped, refusal: Refusal) {
        let mut tag = Tag { about: About::Unread, ..Tag::new(kind) };
        tag.wrap(wrapped);
        self.refuse(tag, refusal);
    }

    fn refuse(&mut self, tag: Tag, refusal: Refusal) {
        if refusal.why() == Why::NotLoggedIn {
            self.not_logged_in += 1;
            if self.not_logged_in > NOT_LOGGED_IN_MAX {
                self.end(failure::NOT_LOGIN);
            }
        }
        self.pipeline.refuse(tag, Reply::Err(refusal));
    }

    /// The request that was held back, once its turn has come.
    pub(crate) fn released(&mut self) -> Option<(Slot, Command)> {
        self.pipeline.released()
    }

    /// Whether no further request may be looked at.
    pub(crate) fn is_blocked(&self) -> bool {
        self.pipeline.is_blocked() || self.ended.is_some()
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, slot: Slot, reply: Reply) {
        self.pipeline.answer(slot, reply);
    }

    /// The next answer that may leave.
    pub(crate) fn next_answer(&mut self) -> Option<Due> {
        if let Some(beat) = self.beat.take() {
            return Some(*beat);
        }
        loop {
            let (tag, reply) = self.pipeline.next()?;
            match &reply {
                Reply::LoggedIn(logged_in) => {
                    let LoggedIn { user_id, role, .. } = **logged_in;
                    let (username, device) = (logged_in.username.clone(), logged_in.device.clone());
                    self.framed = !tag.enveloped;
                    self.me = Some(Box::new(Me { user_id, username, role, device }));
                }
                Reply::LoggedOut => {
                    self.me = None;
                    self.end(LOGGED_OUT);
                }
                Reply::Err(_) => {}
                _ if tag.is_quiet() => continue,
                _ => {}
            }
            let (kind, body) = answers::answer(&tag, self.me.as_deref(), &reply);
            return Some(tag.due(kind, body));
        }
    }

    /// Whether whoever is logged in did so in a frame.
    pub(crate) fn is_framed(&self) -> bool {
        self.framed
    }

    /// It is over, for this reason; the first one counts.
    pub(crate) fn end(&mut self, reason: &'static str) {
        self.ended.get_or_insert(reason);
    }

    /// Why it is over, once everything is answered.
    pub(crate) fn ended(&self) -> Option<&'static str> {
        self.ended.filter(|_| self.pipeline.in_flight() == 0)
    }

    /// Whether it is over for whoever asks, though perhaps not for whoever waits for an answer.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Requests that were begun and are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    /// Forgets everything that is not answered.
    pub(crate) fn clear(&mut self) {
        self.pipeline.clear();
    }

    /// Bytes of memory held.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.pipeline.buffer_bytes()
    }
}
