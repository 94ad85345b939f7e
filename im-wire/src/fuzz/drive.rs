//! The caller's loop around a server's side, with answers in an order that the input chooses.

use crate::{Command, Hist, LoggedIn, Reply, Role, Secret, Slot, frames, text, web_socket};
use std::borrow::Cow;
use std::collections::VecDeque;

/// What one connection may hold here: its limits, the longest answers, and one piece of input.
const HELD_BYTES_MAX: usize = 16 << 10;

/// What the protocols' connections have alike.
pub(super) trait Server {
    fn receive(&mut self, bytes: &[u8]);
    fn wants_input(&self) -> bool;
    fn next_command(&mut self) -> Option<(Slot, Command)>;
    fn reply(&mut self, slot: Slot, reply: Reply);
    fn close(&mut self, reason: &str);
    fn output(&self) -> &[u8];
    fn consume_output(&mut self, taken: usize);
    fn in_flight(&self) -> usize;
    fn buffer_bytes(&self) -> usize;
}

macro_rules! server {
    ($($server:ty),*) => { $(
        impl Server for $server {
            fn receive(&mut self, bytes: &[u8]) {
                Self::receive(self, bytes);
            }
            fn wants_input(&self) -> bool {
                Self::wants_input(self)
            }
            fn next_command(&mut self) -> Option<(Slot, Command)> {
                Self::next_command(self)
            }
            fn reply(&mut self, slot: Slot, reply: Reply) {
                Self::reply(self, slot, reply);
            }
            fn close(&mut self, reason: &str) {
                Self::close(self, reason);
            }
            fn output(&self) -> &[u8] {
                Self::output(self)
            }
            fn consume_output(&mut self, taken: usize) {
                Self::consume_output(self, taken);
            }
            fn in_flight(&self) -> usize {
                Self::in_flight(self)
            }
            fn buffer_bytes(&self) -> usize {
                Self::buffer_bytes(self)
            }
        }
    )* };
}
server!(text::ServerConnection, frames::ServerConnection, web_socket::ServerConnection);

/// Runs a connection over `data`, of which the first byte says in what pieces the rest comes and in
/// which order requests are answered. Answers with all that was written.
pub(super) fn drive(server: &mut impl Server, data: &[u8]) -> Vec<u8> {
    let Some((how, rest)) = data.split_first() else { return written(server) };
    let (piece, last_first) = (1 + usize::from(how & 0x7f), how & 0x80 == 0);
    let mut output = Vec::new();
    let mut open = VecDeque::new();
    for piece in rest.chunks(piece) {
        work(server, &mut open, &mut output, last_first);
        if !server.wants_input() {
            break;
        }
        server.receive(piece);
        assert!(server.buffer_bytes() <= HELD_BYTES_MAX, "holds {}", server.buffer_bytes());
    }
    work(server, &mut open, &mut output, last_first);
    assert_eq!(server.in_flight(), 0, "a request without an answer");
    server.close("idle");
    output.extend(written(server));
    output
}

/// Logs in, and forgets what was said about it.
pub(super) fn log_in(server: &mut impl Server, request: &[u8]) {
    server.receive(request);
    work(server, &mut VecDeque::new(), &mut Vec::new(), false);
}

/// Everything that can be done without more input.
fn work(
    server: &mut impl Server,
    open: &mut VecDeque<(Slot, Reply)>,
    output: &mut Vec<u8>,
    last_first: bool,
) {
    loop {
        while let Some((slot, command)) = server.next_command() {
            open.push_back((slot, answer(&command)));
        }
        assert!(server.in_flight() >= open.len(), "a command that nobody has to answer");
        let more = written(server);
        let next = if last_first { open.pop_back() } else { open.pop_front() };
        match next {
            Some((slot, reply)) => server.reply(slot, reply),
            None if more.is_empty() => break,
            // There is room in the output again.
            None => {}
        }
        output.extend(more);
    }
}

fn written(server: &mut impl Server) -> Vec<u8> {
    let output = server.output().to_vec();
    server.consume_output(output.len());
    output
}

/// What a gateway might answer.
fn answer(command: &Command) -> Reply {
    match command {
        Command::Login { .. } | Command::Register { .. } | Command::LogIn(_) => {
            Reply::LoggedIn(Box::new(LoggedIn {
                user_id: 7,
                username: "a\"d\na".to_owned(),
                role: Role::User,
                device: "web".to_owned(),
                token: Secret::new("t"),
                expires_at_ms: 1_000,
                refreshes: None,
            }))
        }
        Command::Logout | Command::LogoutEverywhere => Reply::LoggedOut,
        Command::Ping => Reply::Pong,
        Command::Send { .. } | Command::Message(_) => Reply::MsgIdSeq(61, 12),
        Command::History { .. } | Command::Recent { .. } => {
            let text = Cow::Borrowed("a\"\\\n\u{1}\u{7f}\u{2028}b");
            Reply::History(vec![Hist { seq: 1, msg_id: 2, from: 3, ts_ms: 4, text }])
        }
        Command::WhoAmI => Reply::Uid(7),
        // What a service says may hold what somebody wrote.
        command => Reply::err(format!("bad {}\n\"", command.name())),
    }
}
