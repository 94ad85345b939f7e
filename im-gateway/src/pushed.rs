//! An entry of a timeline as the sessions of this gateway get it.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use im_wire::text::{Push, PushLine};
use mpim_proto::{C2cMsg, Entry, EntryKind, GroupMsg, TEXT_DEVICE};

use crate::delivery::ConvId;
use crate::direct::Direct;
use crate::window::Step;

/// One entry, shared by all sessions that get it: its line is made at most once.
#[derive(Debug)]
pub(crate) struct Pushed {
    conv_id: ConvId,
    entry: Entry,
    line: OnceLock<PushLine>,
    /// What the other devices of its sender get.
    copy: OnceLock<PushLine>,
}

impl Pushed {
    pub(crate) fn new(mut entry: Entry) -> Self {
        let conv_id = std::mem::take(&mut entry.conv_id).into();
        Self::of(conv_id, entry)
    }

    /// The same for an entry of a conversation whose id is known already.
    pub(crate) fn of(conv_id: ConvId, entry: Entry) -> Self {
        Self { conv_id, entry, line: OnceLock::new(), copy: OnceLock::new() }
    }

    pub(crate) fn conv_id(&self) -> &ConvId {
        &self.conv_id
    }

    pub(crate) fn seq(&self) -> i64 {
        self.entry.seq
    }

    pub(crate) fn msg_id(&self) -> i64 {
        self.entry.msg_id
    }

    /// A hash of who said what.
    pub(crate) fn said(&self) -> u64 {
        said(self.entry.from, &self.entry.text)
    }

    /// The position's step to this entry.
    pub(crate) fn step(&self) -> Step {
        Step { conv_id: Arc::clone(&self.conv_id), seq: self.entry.seq, msg_id: self.entry.msg_id }
    }

    /// The line that shows it to `user_id` on `device`. `None` for what is passed over: what the
    /// device has sent itself, and entries that text lines cannot show.
    pub(crate) fn line_for(&self, user_id: i64, device: &str) -> Option<&PushLine> {
        if self.entry.kind() != EntryKind::Text {
            return None;
        }
        if self.entry.from != user_id {
            return Some(self.line.get_or_init(|| self.encode(None)));
        }
        let sent_it = match self.entry.device.as_str() {
            "" => device == TEXT_DEVICE,
            sender => device == sender,
        };
        let receiver = || receiver(&self.conv_id, self.entry.from);
        (!sent_it).then(|| self.copy.get_or_init(|| self.encode(receiver())))
    }

    /// Whether it says that the user left the conversation.
    pub(crate) fn is_leaving_of(&self, user_id: i64) -> bool {
        self.entry.kind() == EntryKind::Left && self.entry.from == user_id
    }

    fn encode(&self, to: Option<i64>) -> PushLine {
        let push = Push {
            msg_id: self.entry.msg_id,
            from: self.entry.from,
            to,
            ts_ms: self.entry.ts_ms,
            group_id: self.conv_id.strip_prefix("grp_").and_then(|group_id| group_id.parse().ok()),
            text: Cow::Borrowed(&self.entry.text),
        };
        push.encode()
    }
}

/// A message that came from the original's `Deliver`, outside any timeline.
pub(crate) fn direct(msg: &C2cMsg) -> Direct {
    let push = Push {
        msg_id: msg.msg_id,
        from: msg.from,
        to: None,
        ts_ms: msg.ts_ms,
        group_id: None,
        text: Cow::Borrowed(&msg.text),
    };
    Direct { msg_id: msg.msg_id, said: said(msg.from, &msg.text), line: push.encode() }
}

/// The same for a group's message. Only a pull brings it, and once; the original may count those of
/// groups apart. So its id is none to tell it by.
pub(crate) fn direct_of_group(msg: &GroupMsg) -> Direct {
    let push = Push {
        msg_id: msg.msg_id,
        from: msg.from,
        to: None,
        ts_ms: msg.ts_ms,
        group_id: Some(msg.group_id),
        text: Cow::Borrowed(&msg.text),
    };
    Direct { msg_id: 0, said: 0, line: push.encode() }
}

/// Equal within this process for equal texts of one author.
fn said(from: i64, text: &str) -> u64 {
    FixedState::default().hash_one((from, text))
}

/// The other user of a pair; nobody of a group.
fn receiver(conv_id: &str, from: i64) -> Option<i64> {
    let (one, other) = conv_id.strip_prefix("c2c_")?.split_once('_')?;
    let (one, other): (i64, i64) = (one.parse().ok()?, other.parse().ok()?);
    Some(if one == from { other } else { one })
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
        let line = pushed.line_for(user_id, device)?;
        Some(String::from_utf8(line.as_bytes().to_vec()).unwrap())
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
