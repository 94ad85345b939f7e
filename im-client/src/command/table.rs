//! The commands, one entry each: parsing and the help read the same table.

use super::{Arguments, Input, id};
use im_client::Command;

/// A command: its names, of which the first is shown, what it takes, and what it does.
pub(super) struct Entry {
    pub(super) names: &'static [&'static str],
    pub(super) arguments: &'static [&'static str],
    pub(super) about: &'static str,
    pub(super) parse: fn(&mut Arguments<'_>) -> Option<Input>,
}

/// Every command, in the order of the help.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        names: &["register"],
        arguments: &["<user>", "<password>"],
        about: "make an account and log in",
        parse: |arguments| {
            let (username, password) = arguments.credentials()?;
            Some(Input::Ask(Command::Register { username, password }))
        },
    },
    Entry {
        names: &["login"],
        arguments: &["<user>", "<password>"],
        about: "log in; missed messages follow",
        parse: |arguments| {
            let (username, password) = arguments.credentials()?;
            Some(Input::Ask(Command::Login { username, password }))
        },
    },
    Entry {
        names: &["logout", "loginout"],
        arguments: &[],
        about: "log out",
        parse: |_| Some(Input::Ask(Command::Logout)),
    },
    Entry {
        names: &["chat", "send"],
        arguments: &["<uid>", "<text>"],
        about: "send a message to a user (also @<uid>)",
        parse: |arguments| {
            let to = arguments.next()?;
            let to = id(to.strip_prefix('@').unwrap_or(to))?;
            Some(Input::Ask(Command::Send { client_msg_id: None, to, text: arguments.text()? }))
        },
    },
    Entry {
        names: &["pull"],
        arguments: &[],
        about: "show what is waiting",
        parse: |_| Some(Input::Ask(Command::Pull)),
    },
    Entry {
        names: &["history"],
        arguments: &["<uid or g<gid>>", "[after seq]", "[limit]"],
        about: "show a conversation's messages",
        parse: |arguments| arguments.history(),
    },
    Entry {
        names: &["recent"],
        arguments: &["<uid or g<gid>>", "[limit]", "[before seq]"],
        about: "show a conversation's last messages",
        parse: |arguments| arguments.recent(),
    },
    Entry {
        names: &["read"],
        arguments: &["<uid or g<gid>>", "<seq>"],
        about: "say how far you have read",
        parse: |arguments| arguments.read(),
    },
    Entry {
        names: &["conversations", "list"],
        arguments: &["[limit]"],
        about: "list your conversations",
        parse: |arguments| arguments.conversations(),
    },
    Entry {
        names: &["addfriend"],
        arguments: &["<uid>"],
        about: "become friends",
        parse: |arguments| Some(Input::Ask(Command::AddFriend { friend_id: arguments.id()? })),
    },
    Entry {
        names: &["removefriend", "delfriend"],
        arguments: &["<uid>"],
        about: "be friends no more",
        parse: |arguments| Some(Input::Ask(Command::RemoveFriend { friend_id: arguments.id()? })),
    },
    Entry {
        names: &["getfriends", "friends"],
        arguments: &[],
        about: "list your friends",
        parse: |_| Some(Input::Ask(Command::GetFriends)),
    },
    Entry {
        names: &["block"],
        arguments: &["<uid>"],
        about: "take no messages from a user",
        parse: |arguments| Some(Input::Ask(Command::Block { uid: arguments.id()? })),
    },
    Entry {
        names: &["unblock"],
        arguments: &["<uid>"],
        about: "take messages from a user again",
        parse: |arguments| Some(Input::Ask(Command::Unblock { uid: arguments.id()? })),
    },
    Entry {
        names: &["blocked"],
        arguments: &[],
        about: "list those whose messages you do not take",
        parse: |_| Some(Input::Ask(Command::Blocked)),
    },
    Entry {
        names: &["creategroup"],
        arguments: &["<name>", "[description]"],
        about: "make a group",
        parse: |arguments| {
            let name = arguments.next()?.to_owned();
            let description = arguments.rest().unwrap_or_default().to_owned();
            Some(Input::Ask(Command::CreateGroup { name, description }))
        },
    },
    Entry {
        names: &["joingroup", "addgroup"],
        arguments: &["<group id>"],
        about: "join a group",
        parse: |arguments| Some(Input::Ask(Command::JoinGroup { group_id: arguments.id()? })),
    },
    Entry {
        names: &["leavegroup"],
        arguments: &["<group id>"],
        about: "leave a group",
        parse: |arguments| Some(Input::Ask(Command::LeaveGroup { group_id: arguments.id()? })),
    },
    Entry {
        names: &["sendgroup", "groupchat"],
        arguments: &["<group id>", "<text>"],
        about: "send a message to a group",
        parse: |arguments| {
            let group_id = id(arguments.next()?)?;
            let text = arguments.text()?;
            Some(Input::Ask(Command::SendGroup { client_msg_id: None, group_id, text }))
        },
    },
    Entry {
        names: &["members"],
        arguments: &["<group id>"],
        about: "list a group's members",
        parse: |arguments| Some(Input::Ask(Command::Members { group_id: arguments.id()? })),
    },
    Entry {
        names: &["groups"],
        arguments: &[],
        about: "list your groups",
        parse: |_| Some(Input::Ask(Command::Groups)),
    },
    Entry {
        names: &["whoami"],
        arguments: &[],
        about: "show your uid",
        parse: |_| Some(Input::Ask(Command::WhoAmI)),
    },
    Entry {
        names: &["ping"],
        arguments: &[],
        about: "ask whether the server is there",
        parse: |_| Some(Input::Ask(Command::Ping)),
    },
    Entry {
        names: &["help", "?"],
        arguments: &[],
        about: "show this",
        parse: |_| Some(Input::Help),
    },
    Entry {
        names: &["quit", "exit"],
        arguments: &[],
        about: "leave",
        parse: |_| Some(Input::Quit),
    },
];
