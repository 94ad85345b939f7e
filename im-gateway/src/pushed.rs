//! An entry of a timeline as the sessions of this gateway get it.

use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use im_wire::{Message, Peer, Shown, What};
use mpim_proto::{C2cMsg, Entry, EntryKind, GroupMsg, TEXT_DEVICE};

use crate::delivery::ConvId;
use crate::direct::Direct;
use crate::window::Step;

/// One entry, shared by all sessions that get it: it is encoded at most once for each protocol.
#[derive(Debug)]
pub(crate) struct Pushed {
    conv_id: ConvId,
    kind: EntryKind,
    seq: i64,
    msg_id: i64,
    from: i64,
    /// Which device of its sender wrote it.
    device: String,
    shown: Shown,
    /// What the other devices of its sender get.
    copy: OnceLock<Shown>,
}

impl Pushed {
    pub(crate) fn new(mut entry: Entry) -> Self {
        let conv_id = std::mem::take(&mut entry.conv_id).into();
        Self::of(conv_id, entry)
    }

    /// The same for an entry of a conversation whose id is known already.
    pub(crate) fn of(conv_id: ConvId, entry: Entry) -> Self {
        let kind = entry.kind();
        let Entry { seq, msg_id, from, ts_ms, text, device, .. } = entry;
        let to = receiver(&conv_id, from);
        let message = Message { msg_id, seq, from, to, is_copy: false, ts_ms, text };
        let shown = Shown::message(message);
        Self { conv_id, kind, seq, msg_id, from, device, shown, copy: OnceLock::new() }
    }

    pub(crate) fn conv_id(&self) -> &ConvId {
        &self.conv_id
    }

    pub(crate) fn seq(&self) -> i64 {
        self.seq
    }

    pub(crate) fn msg_id(&self) -> i64 {
        self.msg_id
    }

    /// A hash of who said what.
    pub(crate) fn said(&self) -> u64 {
        said(self.from, text(&self.shown))
    }

    /// The position's step to this entry.
    pub(crate) fn step(&self) -> Step {
        Step { conv_id: Arc::clone(&self.conv_id), seq: self.seq, msg_id: self.msg_id }
    }

    /// What `user_id` is shown of it on `device`. `None` for what is passed over: what the device has
    /// sent itself, and entries that are no messages.
    pub(crate) fn shown_to(&self, user_id: i64, device: &str) -> Option<&Shown> {
        if self.kind != EntryKind::Text {
            return None;
        }
        if self.from != user_id {
            return Some(&self.shown);
        }
        let sent_it = match self.device.as_str() {
            "" => device == TEXT_DEVICE,
            sender => device == sender,
        };
        (!sent_it).then(|| self.copy.get_or_init(|| copy(&self.shown)))
    }

    /// Whether it says that the user left the conversation.
    pub(crate) fn is_leaving_of(&self, user_id: i64) -> bool {
        self.kind == EntryKind::Left && self.from == user_id
    }
}

fn text(shown: &Shown) -> &str {
    match shown.what() {
        What::Message(message) => &message.text,
        What::Event(_) => "",
    }
}

/// The same for the other devices of its sender.
fn copy(shown: &Shown) -> Shown {
    match shown.what().clone() {
        What::Message(message) => Shown::message(Message { is_copy: true, ..message }),
        What::Event(event) => Shown::event(event),
    }
}

/// A message that came from the original's `Deliver`, outside any timeline.
pub(crate) fn direct(msg: &C2cMsg) -> Direct {
    let (to, text) = (Peer::User(msg.to), &msg.text);
    let shown = outside(msg.msg_id, msg.from, to, msg.ts_ms, text);
    Direct { msg_id: msg.msg_id, said: said(msg.from, text), shown }
}

/// The same for a group's message. Only a pull brings it, and once; the original may count those of
/// groups apart. So its id is none to tell it by.
pub(crate) fn direct_of_group(msg: &GroupMsg) -> Direct {
    let to = Peer::Group(msg.group_id);
    let shown = outside(msg.msg_id, msg.from, to, msg.ts_ms, &msg.text);
    Direct { msg_id: 0, said: 0, shown }
}

fn outside(msg_id: i64, from: i64, to: Peer, ts_ms: i64, text: &str) -> Arc<Shown> {
    let text = text.to_owned();
    Arc::new(Shown::message(Message { msg_id, seq: 0, from, to, is_copy: false, ts_ms, text }))
}

/// Equal within this process for equal texts of one author.
fn said(from: i64, text: &str) -> u64 {
    FixedState::default().hash_one((from, text))
}

/// Whom a message in a conversation goes to: the other user of a pair, or the group.
fn receiver(conv_id: &str, from: i64) -> Peer {
    if let Some(group_id) = conv_id.strip_prefix("grp_").and_then(|id| id.parse().ok()) {
        return Peer::Group(group_id);
    }
    let pair = conv_id.strip_prefix("c2c_").and_then(|pair| pair.split_once('_'));
    let (one, other) = pair.unwrap_or_default();
    let other = if one.parse() == Ok(from) { other } else { one };
    // One that is named otherwise is nobody's.
    Peer::User(other.parse().unwrap_or_default())
}

/// The conversation of two users.
pub(crate) fn pair(a: i64, b: i64) -> String {
    format!("c2c_{}_{}", a.min(b), a.max(b))
}

/// The conversation of a group.
pub(crate) fn group(group_id: i64) -> String {
    format!("grp_{group_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(conv_id: &str, from: i64, kind: EntryKind) -> Pushed {
        Pushed::new(entry(conv_id, from, kind))
    }

    fn entry(conv_id: &str, from: i64, kind: EntryKind) -> Entry {
        let (conv_id, text) = (conv_id.to_owned(), "hi".to_owned());
        let (kind, device) = (kind.into(), String::new());
        Entry { conv_id, seq: 3, msg_id: 7, from, ts_ms: 5, kind, text, device }
    }

    fn line(pushed: &Pushed, user_id: i64) -> Option<String> {
        line_on(pushed, user_id, "text")
    }

    fn line_on(pushed: &Pushed, user_id: i64, device: &str) -> Option<String> {
        let shown = pushed.shown_to(user_id, device)?;
        Some(String::from_utf8(shown.line().as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_message_is_shown_to_others_with_its_group() {
        let direct = pushed("c2c_1_2", 1, EntryKind::Text);
        assert_eq!(line(&direct, 2).unwrap(), "MSG id=7 from=1 ts=5 text=hi\n");
        let in_group = pushed("grp_4", 1, EntryKind::Text);
        assert_eq!(line(&in_group, 2).unwrap(), "MSG id=7 from=1 ts=5 group=4 text=hi\n");
    }

    #[test]
    fn own_messages_and_changes_of_membership_are_passed_over() {
        assert_eq!(line(&pushed("c2c_1_2", 1, EntryKind::Text), 1), None);
        assert_eq!(line(&pushed("grp_4", 1, EntryKind::Joined), 2), None);
        assert_eq!(line(&pushed("grp_4", 1, EntryKind::Left), 2), None);
    }

    #[test]
    fn the_other_devices_of_the_sender_are_shown_to_whom_it_went() {
        let of_text = pushed("c2c_1_2", 1, EntryKind::Text);
        let copy = "MSG id=7 from=1 to=2 ts=5 text=hi\n";
        assert_eq!(line_on(&of_text, 1, "mobile:a").unwrap(), copy);
        assert_eq!(line_on(&of_text, 1, "text:a").unwrap(), copy, "a device of its own");
        let of_mobile = |conv_id, from| {
            let device = "mobile:a".to_owned();
            Pushed::new(Entry { device, ..entry(conv_id, from, EntryKind::Text) })
        };
        assert_eq!(line_on(&of_mobile("c2c_1_2", 2), 2, "mobile:a"), None);
        let copy = line(&of_mobile("c2c_1_2", 2), 2).unwrap();
        assert_eq!(copy, "MSG id=7 from=2 to=1 ts=5 text=hi\n");
        assert_eq!(line(&of_mobile("c2c_1_2", 2), 1).unwrap(), "MSG id=7 from=2 ts=5 text=hi\n");
        let to_oneself = line(&of_mobile("c2c_3_3", 3), 3).unwrap();
        assert_eq!(to_oneself, "MSG id=7 from=3 to=3 ts=5 text=hi\n");
        let in_group = line(&of_mobile("grp_4", 1), 1).unwrap();
        assert_eq!(in_group, "MSG id=7 from=1 ts=5 group=4 text=hi\n");
    }

    #[test]
    fn a_pair_is_one_conversation_from_both_sides() {
        assert_eq!(pair(10, 9), "c2c_9_10");
        assert_eq!(pair(9, 10), "c2c_9_10");
        assert_eq!(group(4), "grp_4");
    }
}
