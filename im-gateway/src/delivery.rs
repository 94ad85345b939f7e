//! Where a session stands in each conversation, and so what becomes of each entry that arrives.
//!
//! Pushes may come twice, late, in any order, or not at all. A position moves only to the next seq,
//! or over what a fetch says is complete, so whatever arrives, a session is shown each conversation
//! in order, without holes, and nothing twice. An entry that is not the next one is not kept: it
//! only tells how far the conversation goes, and what is missing is fetched.
//!
//! This is pure: entries and answers in, verdicts and wishes out. It does not know what is in an
//! entry, or whether it is shown or passed over in silence.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// A conversation's id.
pub(crate) type ConvId = Arc<str>;

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one, and the position has moved to it: show it.
    Next,
    /// The session is past it already.
    Known,
    /// It cannot be taken now; its seq is remembered, and it will be fetched.
    Behind,
}

/// What im-message is to be asked. Every wish that was handed out must be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Where the device stands in a conversation: [`Timelines::place`] or [`Timelines::absent`].
    Position(ConvId),
    /// What comes after `after_seq`: [`Timelines::fetched`], then [`Timelines::page_end`].
    Fetch {
        /// Of this conversation.
        conv_id: ConvId,
        /// The position.
        after_seq: i64,
    },
}

/// The conversations of one session. Memory: one record for each conversation that something was
/// heard of; [`forget_idle`](Self::forget_idle) bounds it.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    timelines: HashMap<ConvId, Timeline, RandomState>,
    /// Those that something must be asked for, oldest first.
    wishes: VecDeque<ConvId>,
}

#[derive(Debug)]
struct Timeline {
    /// `None` until im-message has said where the device stands.
    position: Option<i64>,
    /// The highest seq heard of.
    head: i64,
    asking: Asking,
    /// The user's own leaving was the last that they saw: what comes next may not be for them.
    left: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Nothing is missing, as far as is known.
    No,
    /// It stands in `wishes`.
    Soon,
    /// A wish was handed out, when `head` had this value and the position the other.
    Now { head: i64, position: i64 },
}

impl Timeline {
    fn is_behind(&self) -> bool {
        self.position.is_none_or(|position| position < self.head)
    }
}

impl Timelines {
    /// An entry was pushed. Without `room` to show it, it counts as behind.
    ///
    /// While the session is behind, or the user had left, a page says what comes next, and no push:
    /// one that was late may be of a time when the user was not a member, though they are one again.
    pub(crate) fn offer(&mut self, conv_id: &ConvId, seq: i64, room: bool) -> Verdict {
        let timeline = self.timeline(conv_id);
        let takes_pushes = room && !timeline.left && !timeline.is_behind();
        match timeline.position {
            Some(position) if seq <= position => Verdict::Known,
            Some(position) if seq == position + 1 && takes_pushes => {
                timeline.position = Some(seq);
                timeline.head = timeline.head.max(seq);
                Verdict::Next
            }
            _ => {
                self.raise(conv_id, seq);
                Verdict::Behind
            }
        }
    }

    /// The conversation goes at least up to `head`.
    pub(crate) fn raise(&mut self, conv_id: &ConvId, head: i64) {
        let timeline = self.timeline(conv_id);
        timeline.head = timeline.head.max(head);
        self.wish_if_behind(conv_id);
    }

    /// im-message says that the device stands at `cursor` and the conversation at `head`. A position
    /// that the session has already stays: the cursor follows it, not the other way round.
    pub(crate) fn place(&mut self, conv_id: &ConvId, cursor: i64, head: i64) {
        let timeline = self.timeline(conv_id);
        if timeline.position.is_none() {
            timeline.position = Some(cursor);
            timeline.asking = match timeline.asking {
                // This answers the question; a fetch cannot be under way without a position.
                Asking::Now { .. } => Asking::No,
                other => other,
            };
        }
        self.raise(conv_id, head);
    }

    /// im-message knows of nothing for this user in the conversation.
    pub(crate) fn absent(&mut self, conv_id: &ConvId) {
        if self.timelines.get(conv_id).is_some_and(|timeline| timeline.position.is_none()) {
            self.timelines.remove(conv_id);
        }
    }

    /// An entry of a fetched page. The page's entries come in order, and between two of them is
    /// nothing that the user may see.
    pub(crate) fn fetched(&mut self, conv_id: &ConvId, seq: i64) -> Verdict {
        let timeline = self.timeline(conv_id);
        if timeline.position.is_none_or(|position| seq <= position) {
            return Verdict::Known;
        }
        timeline.position = Some(seq);
        timeline.head = timeline.head.max(seq);
        timeline.left = false;
        Verdict::Next
    }

    /// The position has moved to the entry that says that the user left.
    pub(crate) fn left(&mut self, conv_id: &ConvId) {
        self.timeline(conv_id).left = true;
    }

    /// A fetched page ends: the user has, or may not see, everything up to `complete_to`, and the
    /// conversation goes up to `head`. Without `complete_to`, the page could not be shown to its end.
    pub(crate) fn page_end(&mut self, conv_id: &ConvId, complete_to: Option<i64>, head: i64) {
        let timeline = self.timeline(conv_id);
        let Asking::Now { head: head_then, position: position_then } = timeline.asking else {
            return;
        };
        timeline.asking = Asking::No;
        let Some(position) = timeline.position else {
            return;
        };
        let position = position.max(complete_to.unwrap_or(position));
        timeline.position = Some(position);
        timeline.head = timeline.head.max(head);
        if complete_to.is_some()
            && position == position_then
            && timeline.head == head_then.max(head)
        {
            // The whole answer was nothing, although more was heard of: it is not for this user, or
            // not any more. Asking again would never end.
            timeline.head = position;
        }
        self.wish_if_behind(conv_id);
    }

    /// A wish could not be answered: it will be handed out again.
    pub(crate) fn failed(&mut self, conv_id: &ConvId) {
        if let Some(timeline) = self.timelines.get_mut(conv_id) {
            if matches!(timeline.asking, Asking::Now { .. }) {
                timeline.asking = Asking::No;
            }
            self.wish_if_behind(conv_id);
        }
    }

    /// The next thing to ask im-message for, the conversation that waits longest first.
    pub(crate) fn next_wish(&mut self) -> Option<Wish> {
        while let Some(conv_id) = self.wishes.pop_front() {
            let Some(timeline) = self.timelines.get_mut(&conv_id) else {
                continue;
            };
            if timeline.asking != Asking::Soon {
                continue;
            }
            if !timeline.is_behind() {
                timeline.asking = Asking::No;
                continue;
            }
            let position = timeline.position.unwrap_or(0);
            timeline.asking = Asking::Now { head: timeline.head, position };
            return Some(match timeline.position {
                None => Wish::Position(conv_id),
                Some(after_seq) => Wish::Fetch { conv_id, after_seq },
            });
        }
        None
    }

    /// Every conversation in which the session lacks something, with how far it goes.
    pub(crate) fn behind(&self) -> impl Iterator<Item = (&ConvId, i64)> {
        let behind = self.timelines.iter().filter(|(_, timeline)| timeline.is_behind());
        behind.map(|(conv_id, timeline)| (conv_id, timeline.head))
    }

    /// Whether the session is at `seq`, or what was to be had up to there turned out to be less.
    pub(crate) fn has_reached(&self, conv_id: &ConvId, seq: i64) -> bool {
        self.timelines.get(conv_id).is_none_or(|timeline| {
            timeline.position.is_some_and(|position| position >= seq.min(timeline.head))
        })
    }

    /// The position, once it is known.
    #[cfg(test)]
    pub(crate) fn position(&self, conv_id: &ConvId) -> Option<i64> {
        self.timelines.get(conv_id)?.position
    }

    /// Of more than `max` conversations, forgets those in which nothing is missing and for which
    /// `may` agrees. It must not agree before im-message has the position as the device's cursor,
    /// since that is where the session finds it again.
    pub(crate) fn forget_idle(&mut self, max: usize, may: impl Fn(&ConvId, i64) -> bool) {
        if self.timelines.len() <= max {
            return;
        }
        self.timelines.retain(|conv_id, timeline| {
            let idle = timeline.asking == Asking::No && !timeline.is_behind();
            !(idle && timeline.position.is_some_and(|position| may(conv_id, position)))
        });
    }

    fn timeline(&mut self, conv_id: &ConvId) -> &mut Timeline {
        self.timelines.entry(Arc::clone(conv_id)).or_insert(Timeline {
            position: None,
            head: 0,
            asking: Asking::No,
            left: false,
        })
    }

    fn wish_if_behind(&mut self, conv_id: &ConvId) {
        let Some(timeline) = self.timelines.get_mut(conv_id) else {
            return;
        };
        if timeline.asking == Asking::No && timeline.is_behind() {
            timeline.asking = Asking::Soon;
            self.wishes.push_back(Arc::clone(conv_id));
        }
    }
}

#[cfg(test)]
mod tests;
