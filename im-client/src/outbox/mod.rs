//! Messages that are to be sent, whatever becomes of connections.

mod file;

pub(crate) use self::file::OutboxFile;

use crate::calls::send_command;
use im_wire::{Command, Peer};
use std::collections::VecDeque;

/// A message that is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Who sends it: it is not sent as anybody else.
    pub(crate) uid: i64,
    /// By which the server knows it again.
    pub(crate) client_msg_id: String,
    pub(crate) to: Peer,
    pub(crate) text: String,
}

/// The messages, oldest first. Of each conversation one is under way at a time: so they keep their order
/// even if one of them has to be sent again.
#[derive(Debug)]
pub(crate) struct Outbox {
    posts: VecDeque<Posted>,
    under_way: usize,
    max: usize,
}

#[derive(Debug)]
struct Posted {
    entry: Entry,
    is_under_way: bool,
    /// How often in a row the server has failed over it.
    failures: u8,
}

impl From<Entry> for Posted {
    fn from(entry: Entry) -> Self {
        Self { entry, is_under_way: false, failures: 0 }
    }
}

impl Outbox {
    /// Of at most `max` messages; those that are there already are taken whatever their number.
    pub(crate) fn new(entries: Vec<Entry>, max: usize) -> Self {
        let posts = entries.into_iter().map(Posted::from).collect();
        Self { posts, under_way: 0, max }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.posts.len() < self.max
    }

    /// Whether anything of this user is left.
    pub(crate) fn has_any_of(&self, uid: i64) -> bool {
        self.posts.iter().any(|posted| posted.entry.uid == uid)
    }

    /// How many are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Takes a message, behind all others.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.posts.push_back(entry.into());
    }

    /// The next one of this user's that may be sent now. It is under way from here on.
    pub(crate) fn next(&mut self, uid: i64) -> Option<Command> {
        let mut busy = Vec::new();
        for Posted { entry, is_under_way, .. } in &mut self.posts {
            if entry.uid != uid || busy.contains(&entry.to) {
                continue;
            }
            if *is_under_way {
                busy.push(entry.to);
                continue;
            }
            *is_under_way = true;
            self.under_way += 1;
            let client_msg_id = Some(entry.client_msg_id.clone());
            return Some(send_command(entry.to, client_msg_id, entry.text.clone()));
        }
        None
    }

    /// It is stored, or never will be.
    pub(crate) fn settled(&mut self, client_msg_id: &str) -> Option<Entry> {
        let at = self.position(client_msg_id)?;
        let Posted { entry, is_under_way, .. } = self.posts.remove(at)?;
        self.under_way -= usize::from(is_under_way);
        Some(entry)
    }

    /// The server has failed over it. Answers how often in a row.
    pub(crate) fn failed(&mut self, client_msg_id: &str) -> u8 {
        let Some(posted) = self.posted(client_msg_id) else { return 0 };
        posted.failures = posted.failures.saturating_add(1);
        posted.failures
    }

    /// The server had no time for it.
    pub(crate) fn put_off(&mut self, client_msg_id: &str) {
        if let Some(posted) = self.posted(client_msg_id) {
            posted.failures = 0;
        }
    }

    /// It is to be sent again.
    pub(crate) fn put_back(&mut self, client_msg_id: &str) {
        if let Some(posted) = self.posted(client_msg_id)
            && std::mem::take(&mut posted.is_under_way)
        {
            self.under_way -= 1;
        }
    }

    /// The connection is gone, and nobody knows what became of those under way.
    pub(crate) fn connection_lost(&mut self) {
        self.posts.iter_mut().for_each(|posted| posted.is_under_way = false);
        self.under_way = 0;
    }

    fn position(&self, client_msg_id: &str) -> Option<usize> {
        self.posts.iter().position(|posted| posted.entry.client_msg_id == client_msg_id)
    }

    fn posted(&mut self, client_msg_id: &str) -> Option<&mut Posted> {
        let at = self.position(client_msg_id)?;
        self.posts.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uid: i64, to: i64, id: &str) -> Entry {
        let (client_msg_id, text) = (id.to_owned(), format!("text of {id}"));
        Entry { uid, client_msg_id, to: Peer::User(to), text }
    }

    fn id(command: Option<Command>) -> Option<String> {
        match command {
            Some(Command::Send { client_msg_id, .. }) => client_msg_id,
            _ => None,
        }
    }

    fn next(outbox: &mut Outbox) -> Option<String> {
        id(outbox.next(7))
    }

    #[test]
    fn of_each_conversation_one_is_under_way_and_they_keep_their_order() {
        let entries = vec![entry(7, 8, "a"), entry(7, 8, "b"), entry(7, 9, "c")];
        let mut outbox = Outbox::new(entries, 4);
        assert_eq!(next(&mut outbox).as_deref(), Some("a"));
        assert_eq!(next(&mut outbox).as_deref(), Some("c"), "another conversation does not wait");
        assert_eq!((next(&mut outbox), outbox.under_way()), (None, 2));
        outbox.put_back("a");
        assert_eq!(next(&mut outbox).as_deref(), Some("a"), "before what is newer");
        outbox.connection_lost();
        assert_eq!(next(&mut outbox).as_deref(), Some("a"));
        assert!(outbox.settled("a").is_some() && outbox.settled("a").is_none());
        assert_eq!(next(&mut outbox).as_deref(), Some("b"));
        assert_eq!(next(&mut outbox).as_deref(), Some("c"));
        assert_eq!(outbox.under_way(), 2);
    }

    #[test]
    fn nobody_sends_what_another_user_wrote() {
        let mut outbox = Outbox::new(vec![entry(6, 8, "a")], 1);
        assert!(!outbox.has_room() && !outbox.has_any_of(7) && outbox.has_any_of(6));
        assert_eq!(next(&mut outbox), None);
        assert_eq!(id(outbox.next(6)).as_deref(), Some("a"));
    }
}
