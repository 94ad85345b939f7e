//! What others leave for a session: pushes, and what it is told to do.
//!
//! Leaving something never waits, so a session that is slow holds up nobody. While the mailbox is
//! full, only how far each conversation goes is kept; the session then fetches the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use im_wire::Shown;
use tokio::sync::Notify;

use crate::delivery::ConvId;
use crate::direct::Direct;
use crate::events::EventKind;
use crate::metrics::METRICS;
use crate::pushed::Pushed;

/// One thing to show.
#[derive(Clone, Debug)]
pub(crate) enum Mail {
    /// An entry of a timeline.
    Entry(Arc<Pushed>),
    /// A message outside any timeline.
    Direct(Direct),
}

/// Everything that was left since the mailbox was last emptied.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) mail: VecDeque<Mail>,
    /// What is told and not kept.
    pub(crate) events: VecDeque<Arc<Shown>>,
    /// How far conversations go whose entries found no room.
    pub(crate) heads: HashMap<ConvId, i64>,
    /// All heads are to be compared, within this time.
    pub(crate) sync_within: Option<Duration>,
    /// The route is lost and must be bound again at once. Whether the session may go on is to be asked
    /// within this time.
    pub(crate) bind: Option<Duration>,
    /// Messages that the client says elsewhere to have got.
    pub(crate) acknowledged: Vec<i64>,
    /// The session is to end, for this reason.
    pub(crate) close: Option<String>,
}

impl Post {
    fn leave_entry(&mut self, entry: &Arc<Pushed>, max: usize) {
        if self.mail.len() < max {
            self.mail.push_back(Mail::Entry(Arc::clone(entry)));
        } else if let Some(head) = self.heads.get_mut(entry.conv_id()) {
            *head = (*head).max(entry.seq());
        } else if self.heads.len() < max {
            self.heads.insert(Arc::clone(entry.conv_id()), entry.seq());
        } else {
            self.sync_within = Some(Duration::ZERO);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// `None` once the session takes nothing any more.
    post: Mutex<Option<Post>>,
    max: usize,
    /// Events that may wait; 0 while the client wants none.
    events_max: AtomicUsize,
    /// The same when it is a receipt that comes; they wait with the others.
    receipts_max: AtomicUsize,
    wake: Arc<Notify>,
}

impl Mailbox {
    /// For at most `max` pushes. Whoever is woken by `wake` empties it.
    pub(crate) fn new(max: usize, wake: Arc<Notify>) -> Self {
        let (events_max, receipts_max) = Default::default();
        Self { post: Mutex::new(Some(Post::default())), max, events_max, receipts_max, wake }
    }

    /// Leaves entries, or at least their seqs. Answers whether there is a session to get them.
    pub(crate) fn leave_entries(&self, entries: &[Arc<Pushed>]) -> bool {
        self.change(|post| entries.iter().for_each(|entry| post.leave_entry(entry, self.max)))
            .is_some()
    }

    /// Leaves a message outside any timeline. Answers whether it will be shown: what finds no room
    /// cannot be fetched.
    pub(crate) fn leave_direct(&self, direct: &Direct) -> bool {
        self.change(|post| {
            let room = post.mail.len() < self.max;
            if room {
                post.mail.push_back(Mail::Direct(direct.clone()));
            }
            room
        })
        .unwrap_or(false)
    }

    /// From now on events of that kind may wait, at most `max` in all, none with 0.
    pub(crate) fn want_events(&self, kind: EventKind, max: usize) {
        self.max_of(kind).store(max, Ordering::Relaxed);
    }

    fn max_of(&self, kind: EventKind) -> &AtomicUsize {
        match kind {
            EventKind::Happening => &self.events_max,
            EventKind::Receipt => &self.receipts_max,
        }
    }

    /// Leaves an event. If there is no room the oldest goes, since the newest says what is so now.
    /// Answers whether there is a session that wants it.
    pub(crate) fn leave_event(&self, kind: EventKind, event: &Arc<Shown>) -> bool {
        let max = self.max_of(kind).load(Ordering::Relaxed);
        if max == 0 {
            return false;
        }
        self.change(|post| {
            if post.events.len() >= max {
                post.events.pop_front();
                METRICS.events_dropped_mailbox.increment(1);
            }
            post.events.push_back(Arc::clone(event));
        })
        .is_some()
    }

    /// Pushes were missed: the session is to compare all heads, at some time within `spread`.
    pub(crate) fn sync(&self, spread: Duration) {
        self.change(|post| {
            post.sync_within = Some(post.sync_within.unwrap_or(spread).min(spread));
        });
    }

    /// The route is lost: the session is to bind it again, and then to sync; and to ask whether it may go
    /// on, at some time within `spread`.
    pub(crate) fn bind(&self, spread: Duration) {
        self.change(|post| post.bind = Some(post.bind.unwrap_or(spread).min(spread)));
    }

    /// The client says elsewhere that it has got these messages. What finds no room it will have to say
    /// again, of these or of later ones.
    pub(crate) fn acknowledge(&self, msg_ids: &[i64]) {
        self.change(|post| {
            let room = self.max.saturating_sub(post.acknowledged.len());
            post.acknowledged.extend(msg_ids.iter().take(room));
        });
    }

    /// The session is to end.
    pub(crate) fn close(&self, reason: &str) {
        self.change(|post| {
            post.close.get_or_insert_with(|| reason.to_owned());
        });
    }

    /// Takes what was left; `None` if nothing was.
    pub(crate) fn empty(&self) -> Option<Post> {
        let mut post = self.lock();
        let post = post.as_mut()?;
        let anything = !post.mail.is_empty()
            || !post.events.is_empty()
            || !post.heads.is_empty()
            || post.sync_within.is_some()
            || post.bind.is_some()
            || !post.acknowledged.is_empty()
            || post.close.is_some();
        anything.then(|| std::mem::take(post))
    }

    /// Takes nothing any more.
    pub(crate) fn shut(&self) {
        *self.lock() = None;
    }

    /// Whether its session has ended.
    pub(crate) fn is_shut(&self) -> bool {
        self.lock().is_none()
    }

    fn change<R>(&self, change: impl FnOnce(&mut Post) -> R) -> Option<R> {
        let changed = self.lock().as_mut().map(change);
        if changed.is_some() {
            self.wake.notify_one();
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Option<Post>> {
        // Each change is one insertion or assignment: a panic leaves nothing half done.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mpim_proto::Entry;

    use super::*;

    fn entry(conv: usize, seq: i64) -> Arc<Pushed> {
        Arc::new(Pushed::new(Entry { conv_id: format!("c{conv}"), seq, ..Entry::default() }))
    }

    fn mailbox(max: usize) -> Mailbox {
        Mailbox::new(max, Arc::default())
    }

    #[test]
    fn while_it_is_full_only_the_heads_are_kept() {
        let mailbox = mailbox(2);
        for seq in 1..=5 {
            assert!(mailbox.leave_entries(&[entry(0, seq)]));
        }
        assert!(!mailbox.leave_direct(&crate::pushed::direct(&mpim_proto::C2cMsg::default())));
        let post = mailbox.empty().unwrap();
        assert_eq!(post.mail.len(), 2);
        assert_eq!(post.heads, HashMap::from([("c0".into(), 5)]));
        assert!(mailbox.empty().is_none());
    }

    #[test]
    fn more_heads_than_the_bound_become_one_sync() {
        let mailbox = mailbox(2);
        for conv in 0..100 {
            mailbox.leave_entries(&[entry(conv, 1)]);
        }
        let post = mailbox.empty().unwrap();
        assert_eq!((post.mail.len(), post.heads.len()), (2, 2));
        assert_eq!(post.sync_within, Some(Duration::ZERO));
    }

    #[test]
    fn the_most_urgent_sync_counts() {
        let mailbox = mailbox(2);
        for ms in [50, 10, 90] {
            mailbox.sync(Duration::from_millis(ms));
        }
        assert_eq!(mailbox.empty().unwrap().sync_within, Some(Duration::from_millis(10)));
    }

    fn typing(from: i64) -> Arc<Shown> {
        Arc::new(Shown::event(im_wire::Event::Typing { from, group_id: None }))
    }

    #[test]
    fn events_take_no_room_from_messages_and_the_oldest_goes_first() {
        let mailbox = mailbox(2);
        assert!(!mailbox.leave_event(EventKind::Happening, &typing(1)), "not asked for");
        assert!(mailbox.empty().is_none());
        mailbox.want_events(EventKind::Happening, 3);
        for from in 1..=100 {
            assert!(mailbox.leave_event(EventKind::Happening, &typing(from)));
        }
        for seq in 1..=2 {
            mailbox.leave_entries(&[entry(0, seq)]);
        }
        let post = mailbox.empty().unwrap();
        assert_eq!((post.mail.len(), post.heads.len()), (2, 0));
        let lines: Vec<&[u8]> = post.events.iter().map(|event| event.line().as_bytes()).collect();
        assert_eq!(lines, [&b"TYPING from=98\n"[..], b"TYPING from=99\n", b"TYPING from=100\n"]);
        mailbox.want_events(EventKind::Happening, 0);
        assert!(!mailbox.leave_event(EventKind::Happening, &typing(1)));
    }

    #[test]
    fn a_session_is_told_of_the_kinds_that_it_wants_only() {
        let mailbox = mailbox(2);
        mailbox.want_events(EventKind::Receipt, 1);
        assert!(!mailbox.leave_event(EventKind::Happening, &typing(1)));
        assert!(mailbox.leave_event(EventKind::Receipt, &typing(2)));
        mailbox.want_events(EventKind::Happening, 1);
        assert!(mailbox.leave_event(EventKind::Happening, &typing(3)), "in place of the other");
        assert_eq!(mailbox.empty().unwrap().events.len(), 1);
        mailbox.want_events(EventKind::Receipt, 0);
        assert!(!mailbox.leave_event(EventKind::Receipt, &typing(4)));
    }

    #[test]
    fn nothing_is_left_for_a_session_that_has_ended() {
        let mailbox = mailbox(2);
        assert!(!mailbox.is_shut());
        mailbox.shut();
        assert!(mailbox.is_shut());
        assert!(!mailbox.leave_entries(&[entry(0, 1)]));
        mailbox.close("too late");
        assert!(mailbox.empty().is_none());
    }
}
