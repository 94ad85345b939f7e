//! What a person types.
//!
//! Every command has the original's two spellings, `chat:9:hello there` and `chat 9 hello there`.
//! The first `:` or space decides which; after that the same character separates the arguments,
//! and the last takes the rest of the line.

mod table;

use bytes::Bytes;
use im_client::{Command, Peer, Secret};
use table::ENTRIES;

/// What to do about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing was typed.
    Nothing,
    /// Show the commands.
    Help,
    /// Leave.
    Quit,
    /// Ask the server.
    Ask(Command),
}

/// Why a line is no command, for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// No command has this name.
    #[error("there is no command {0:?}; try help")]
    Unknown(String),
    /// An argument is missing or makes no sense.
    #[error("usage: {name}{separator}{}", .arguments.join(.separator))]
    Usage {
        /// The command's name.
        name: &'static str,
        /// As in the spelling that was used.
        separator: &'static str,
        /// What it takes.
        arguments: &'static [&'static str],
    },
}

/// Finds out what a line asks for.
pub(crate) fn parse(line: &str) -> Result<Input, BadLine> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Input::Nothing);
    }
    let (name, mut arguments) = Arguments::after_name(line);
    let entry = ENTRIES
        .iter()
        .find(|entry| entry.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
        // Only the name: what follows may be a password behind a misspelt `login`.
        .ok_or_else(|| BadLine::Unknown(name.to_owned()))?;
    (entry.parse)(&mut arguments).ok_or(BadLine::Usage {
        name: entry.names[0],
        separator: if arguments.separator == ':' { ":" } else { " " },
        arguments: entry.arguments,
    })
}

/// Whether a line may be kept, for arrow-up. Not with a password in it, and since a misspelt
/// command may hold one too, only what was understood.
pub(crate) fn may_be_remembered(line: &str) -> bool {
    match parse(line) {
        Ok(Input::Nothing) | Err(_) => false,
        Ok(Input::Ask(Command::Login { .. } | Command::Register { .. })) => false,
        Ok(_) => true,
    }
}

/// The table, for people.
pub(crate) fn help() -> String {
    let mut help = "Commands (a space works in place of each colon):".to_owned();
    for entry in ENTRIES {
        let spelled = [&entry.names[..1], entry.arguments].concat().join(":");
        let also = match &entry.names[1..] {
            [] => String::new(),
            others => format!(" (also {})", others.join(", ")),
        };
        help.push_str(&format!("\n  {spelled:<44} {}{also}", entry.about));
    }
    help
}

struct Arguments<'a> {
    rest: Option<&'a str>,
    separator: char,
}

impl<'a> Arguments<'a> {
    fn after_name(line: &'a str) -> (&'a str, Self) {
        match line.split_once([':', ' ']) {
            Some((name, rest)) => {
                let separator = if line.as_bytes()[name.len()] == b':' { ':' } else { ' ' };
                (name, Self { rest: Some(rest), separator })
            }
            None => (line, Self { rest: None, separator: ':' }),
        }
    }

    /// The next argument, not empty. Blanks before it do not count.
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?.trim_start();
        let argument = match rest.split_once(self.separator) {
            Some((argument, behind)) => {
                self.rest = Some(behind);
                argument
            }
            None => rest,
        };
        Some(argument.trim_end()).filter(|argument| !argument.is_empty())
    }

    fn rest(&mut self) -> Option<&'a str> {
        self.rest.take()
    }

    fn text(&mut self) -> Option<String> {
        self.rest().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The last argument, where it is an id.
    fn id(&mut self) -> Option<i64> {
        id(self.rest()?.trim())
    }

    fn credentials(&mut self) -> Option<(Bytes, Secret)> {
        let username = Bytes::copy_from_slice(self.next()?.as_bytes());
        Some((username, Secret::new(self.text()?)))
    }

    fn history(&mut self) -> Option<Input> {
        let peer = self.next()?.parse::<Peer>().ok()?;
        let after_seq = self.next().map_or(Ok(0), str::parse).ok()?;
        let limit = self.rest().map_or(Ok(50), |limit| limit.trim().parse()).ok()?;
        Some(Input::Ask(Command::History { peer, after_seq, limit }))
    }

    fn recent(&mut self) -> Option<Input> {
        let peer = self.next()?.parse::<Peer>().ok()?;
        let limit = self.next().map_or(Ok(50), str::parse).ok()?;
        let before_seq = self.rest().map(|seq| seq.trim().parse()).transpose().ok()?;
        Some(Input::Ask(Command::Recent { peer, limit, before_seq }))
    }

    fn read(&mut self) -> Option<Input> {
        let peer = self.next()?.parse::<Peer>().ok()?;
        Some(Input::Ask(Command::Read { peer, seq: self.id()? }))
    }

    fn conversations(&mut self) -> Option<Input> {
        let limit = self.rest().map(|limit| limit.trim().parse()).transpose().ok()?;
        Some(Input::Ask(Command::Conversations { limit, page: None }))
    }
}

fn id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id| *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(to: i64, text: &str) -> Command {
        Command::Send { client_msg_id: None, to, text: text.to_owned() }
    }

    fn login(username: &str, password: &str) -> Command {
        let username = Bytes::copy_from_slice(username.as_bytes());
        Command::Login { username, password: Secret::new(password.to_owned()) }
    }

    fn history(peer: Peer, after_seq: i64, limit: u32) -> Command {
        Command::History { peer, after_seq, limit }
    }

    fn recent(limit: u32, before_seq: Option<i64>) -> Command {
        Command::Recent { peer: Peer::User(9), limit, before_seq }
    }

    #[test]
    fn both_spellings_of_every_command_ask_for_the_same() {
        let Command::Login { username, password } = login("ada", "pass:wo rd") else {
            unreachable!()
        };
        let group = |name: &str, description: &str| Command::CreateGroup {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        let send_group = Command::SendGroup {
            client_msg_id: None,
            group_id: 4,
            text: "hello: all of you".to_owned(),
        };
        for (lines, command) in [
            (
                &["register:ada:pass:wo rd", "register ada pass:wo rd"][..],
                Command::Register { username, password },
            ),
            (&["login:ada:pass:wo rd", "login ada pass:wo rd"], login("ada", "pass:wo rd")),
            (&["logout", " LOGOUT ", "loginout"], Command::Logout),
            (
                &["chat:9:it is 10:30", "chat:@9:it is 10:30", "chat 9 it is 10:30"],
                send(9, "it is 10:30"),
            ),
            (&["chat @9 it is 10:30", "SEND 9 it is 10:30"], send(9, "it is 10:30")),
            (&["pull"], Command::Pull),
            (&["history:9", "history 9 0 50"], history(Peer::User(9), 0, 50)),
            (&["history:g4:10:5", "history g4 10 5"], history(Peer::Group(4), 10, 5)),
            (&["recent:9", "recent 9 50"], recent(50, None)),
            (&["recent:9:5:30", "recent 9 5 30"], recent(5, Some(30))),
            (&["read:g4:7", "read g4 7"], Command::Read { peer: Peer::Group(4), seq: 7 }),
            (&["conversations", "list"], Command::Conversations { limit: None, page: None }),
            (&["conversations:5", "list 5"], Command::Conversations { limit: Some(5), page: None }),
            (&["addfriend:9", "addfriend 9"], Command::AddFriend { friend_id: 9 }),
            (&["removefriend:9", "delfriend 9"], Command::RemoveFriend { friend_id: 9 }),
            (&["getfriends", "friends"], Command::GetFriends),
            (&["block:9", "block 9"], Command::Block { uid: 9 }),
            (&["unblock:9", "unblock 9"], Command::Unblock { uid: 9 }),
            (&["blocked"], Command::Blocked),
            (&["creategroup:crew:all: of us", "creategroup crew all: of us"], {
                group("crew", "all: of us")
            }),
            (&["creategroup:crew", "creategroup crew", "creategroup:crew:"], group("crew", "")),
            (&["joingroup:4", "joingroup 4", "addgroup:4"], Command::JoinGroup { group_id: 4 }),
            (&["leavegroup:4", "leavegroup 4"], Command::LeaveGroup { group_id: 4 }),
            (
                &[
                    "sendgroup:4:hello: all of you",
                    "sendgroup 4 hello: all of you",
                    "groupchat:4:hello: all of you",
                ],
                send_group,
            ),
            (&["members:4", "members 4"], Command::Members { group_id: 4 }),
            (&["groups"], Command::Groups),
            (&["whoami"], Command::WhoAmI),
            (&["ping"], Command::Ping),
        ] {
            for line in lines {
                assert_eq!(parse(line), Ok(Input::Ask(command.clone())), "{line:?}");
            }
        }
        assert_eq!(parse("help"), Ok(Input::Help));
        assert_eq!(parse("quit"), Ok(Input::Quit));
        assert_eq!(parse(" \t"), Ok(Input::Nothing));
    }

    #[test]
    fn half_a_command_is_told_its_usage_in_the_spelling_that_was_used() {
        for (line, usage) in [
            ("login:ada", "usage: login:<user>:<password>"),
            ("login ada", "usage: login <user> <password>"),
            ("login", "usage: login:<user>:<password>"),
            ("register::secret", "usage: register:<user>:<password>"),
            ("chat:9", "usage: chat:<uid>:<text>"),
            ("chat:ada:hello", "usage: chat:<uid>:<text>"),
            ("chat 9 ", "usage: chat <uid> <text>"),
            ("addfriend", "usage: addfriend:<uid>"),
            ("addfriend:ada", "usage: addfriend:<uid>"),
            ("joingroup -4", "usage: joingroup <group id>"),
            ("sendgroup:4:", "usage: sendgroup:<group id>:<text>"),
            ("creategroup:", "usage: creategroup:<name>:[description]"),
            ("read:9", "usage: read:<uid or g<gid>>:<seq>"),
            ("history:x", "usage: history:<uid or g<gid>>:[after seq]:[limit]"),
        ] {
            assert_eq!(parse(line).expect_err("refused").to_string(), usage, "{line:?}");
        }
    }

    #[test]
    fn a_misspelt_command_is_named_without_its_arguments() {
        let error = parse("lgoin:ada:secret").expect_err("unknown").to_string();
        assert_eq!(error, "there is no command \"lgoin\"; try help");
    }

    #[test]
    fn a_line_that_may_hold_a_password_is_not_remembered() {
        for line in ["login:ada:secret", " Register ada secret", "login ada", "lgoin:ada:secret"] {
            assert!(!may_be_remembered(line), "{line:?}");
        }
        assert!(may_be_remembered("chat:9:hello"));
    }

    #[test]
    fn the_help_names_every_command() {
        let help = help();
        for entry in ENTRIES {
            for name in entry.names {
                assert!(help.contains(name), "{name}");
            }
        }
    }
}
