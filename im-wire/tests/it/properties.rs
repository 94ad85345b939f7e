//! What holds for any bytes, any split of them, and any order of answers.

use crate::{logged_in, take};
use bytes::{Bytes, BytesMut};
use im_wire::text::{
    Command, Escaped, Hist, Line, LineDecoder, Peer, Push, Reply, Secret, ServerLine, Slot,
    TextLimits,
};
use proptest::{collection::vec, prelude::*};
use std::borrow::Cow;

/// Bytes in which lines, line ends and commands are likely.
fn client_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"SEND 9 hello".to_vec()),
        Just(b"sendid a 9 hello\n".to_vec()),
        Just(b"PULL\n".to_vec()),
        Just(b"LOGOUT\r\n".to_vec()),
        Just(b"LOGIN ada secret\n".to_vec()),
        Just(b"FOO bar\n".to_vec()),
        vec(any::<u8>(), 0..40),
        vec(Just(b'x'), 0..40),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// `bytes` and somewhere to cut them.
fn cut_bytes() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    client_bytes().prop_flat_map(|bytes| {
        let cuts = vec(0..=bytes.len(), 0..8);
        (Just(bytes), cuts)
    })
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts = cuts.to_vec();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

fn decoded(limit: usize, pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let mut decoder = LineDecoder::new(limit);
    let mut lines = Vec::new();
    for piece in pieces {
        decoder.receive(piece);
        while let Some(line) = decoder.next_line() {
            lines.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        assert!(decoder.buffered() <= limit + 1, "keeps {} bytes", decoder.buffered());
    }
    lines
}

/// Runs a session over `pieces`; `order` picks which of the open commands is answered next.
/// Returns the commands and the whole output.
fn session(pieces: &[&[u8]], order: &[usize]) -> (Vec<Command>, String) {
    let limits = TextLimits { line_bytes_max: 32, in_flight_max: 4, ..TextLimits::default() };
    let mut connection = logged_in(limits);
    let (mut commands, mut output) = (Vec::new(), String::new());
    let mut open: Vec<(usize, Slot)> = Vec::new();
    let mut order = order.iter().cycle();
    let mut pieces = pieces.iter().peekable();
    loop {
        while let Some((slot, command)) = connection.next_command() {
            open.push((commands.len(), slot));
            if !command.is_concurrent() {
                assert_eq!(open.len(), 1, "a barrier is alone");
            }
            commands.push(command);
        }
        assert!(connection.in_flight() <= 4);
        let next = order.next().copied().unwrap_or(0);
        let read_on = next % 2 == 1 && connection.wants_input();
        match pieces.next_if(|_| read_on || open.is_empty()) {
            Some(piece) => connection.receive(piece),
            None if open.is_empty() => return (commands, output + &take(&mut connection)),
            None => {
                let (number, slot) = open.remove(next % open.len());
                connection.reply(slot, answer(number, &commands[number]));
            }
        }
        output.push_str(&take(&mut connection));
    }
}

/// A reply from which the number of its command can be told, and that keeps the session as a
/// real one would.
fn answer(number: usize, command: &Command) -> Reply {
    match command {
        Command::Logout => Reply::LoggedOut,
        _ => Reply::MsgId(i64::try_from(number).expect("few commands")),
    }
}

fn last_argument() -> impl Strategy<Value = String> {
    "[^\r\n]{1,40}"
}

fn peer() -> impl Strategy<Value = Peer> {
    (1..=i64::MAX, any::<bool>())
        .prop_map(|(id, group)| if group { Peer::Group(id) } else { Peer::User(id) })
}

fn command() -> impl Strategy<Value = Command> {
    let id = 1..=i64::MAX;
    let client_msg_id = proptest::option::of("[!-~]{1,64}");
    let password = vec(any::<u8>().prop_filter("no line end", |b| !b"\r\n".contains(b)), 1..40);
    prop_oneof![
        ("[^\r\n ]{1,20}", password).prop_map(|(name, password)| Command::Login {
            username: Bytes::from(name),
            password: Secret::new(password),
        }),
        (client_msg_id.clone(), id.clone(), last_argument())
            .prop_map(|(client_msg_id, to, text)| Command::Send { client_msg_id, to, text }),
        (client_msg_id, id.clone(), last_argument()).prop_map(|(client_msg_id, group_id, text)| {
            Command::SendGroup { client_msg_id, group_id, text }
        }),
        ("[^\r\n ]{1,20}", "[^\r\n]{0,20}")
            .prop_map(|(name, description)| Command::CreateGroup { name, description }),
        id.clone().prop_map(|msg_id| Command::Ack { msg_id }),
        id.clone().prop_map(|friend_id| Command::AddFriend { friend_id }),
        id.clone().prop_map(|uid| Command::Block { uid }),
        id.clone().prop_map(|uid| Command::Unblock { uid }),
        id.clone().prop_map(|group_id| Command::JoinGroup { group_id }),
        (peer(), 0..=i64::MAX, 1..=u32::MAX)
            .prop_map(|(peer, after_seq, limit)| Command::History { peer, after_seq, limit }),
        (peer(), 1..=u32::MAX, proptest::option::of(id.clone()))
            .prop_map(|(peer, limit, before_seq)| Command::Recent { peer, limit, before_seq }),
        (peer(), id).prop_map(|(peer, seq)| Command::Read { peer, seq }),
        proptest::option::of(1..=u32::MAX)
            .prop_map(|limit| Command::Conversations { limit, page: None }),
        peer().prop_map(|peer| Command::Typing { peer }),
        (peer(), last_argument()).prop_map(|(peer, text)| Command::Whisper { peer, text }),
        peer().prop_map(|peer| Command::ReceiptsOf { peer }),
        any::<bool>().prop_map(|on| Command::Receipts { on }),
        any::<bool>().prop_map(|on| Command::Events { on }),
        Just(Command::Pull),
        Just(Command::WhoAmI),
    ]
}

proptest! {
    #[test]
    fn the_lines_do_not_depend_on_how_the_bytes_were_cut((bytes, cuts) in cut_bytes()) {
        prop_assert_eq!(decoded(24, &pieces(&bytes, &cuts)), decoded(24, &[&bytes]));
    }

    #[test]
    fn neither_cuts_nor_the_order_of_answers_change_what_a_session_does(
        (bytes, cuts) in cut_bytes(),
        order in vec(0..8usize, 1..20),
    ) {
        let cut = session(&pieces(&bytes, &cuts), &order);
        prop_assert_eq!(&cut, &session(&[&bytes], &[0]));

        // The replies carry the numbers of their commands: they must ascend.
        let numbers: Vec<usize> = cut.1.lines()
            .filter_map(|line| line.strip_prefix("+OK msg_id=")?.parse().ok())
            .collect();
        prop_assert!(numbers.is_sorted());
        let answers = cut.1.lines().filter(|line| line.starts_with("+OK")).count();
        prop_assert_eq!(answers, cut.0.len(), "one reply for each command");
    }

    #[test]
    fn every_line_has_exactly_one_reply(lines in vec("[^\r\n]{1,40}", 0..20)) {
        let bytes = lines.concat_lines();
        prop_assert_eq!(session(&[&bytes], &[0]).1.lines().count(), lines.len());
    }

    #[test]
    fn any_text_is_pushed_as_one_line_that_shows_it(text in any::<String>(), group in any::<bool>()) {
        let push = Push {
            msg_id: 1,
            from: 2,
            to: None,
            ts_ms: 3,
            group_id: group.then_some(4),
            text: Cow::Borrowed(&text),
        };
        let encoded = push.encode();
        let line = one_line(encoded.as_bytes());
        let shown = Push { text: Cow::Owned(Escaped(&text).to_string()), ..push };
        prop_assert_eq!(ServerLine::parse(line), Ok(ServerLine::Push(shown)));
    }

    #[test]
    fn any_text_is_history_and_any_refusal_is_one_line(text in any::<String>()) {
        let mut connection = logged_in(TextLimits::default());
        connection.receive(b"PING\nPING\n");
        let hist = Hist { seq: 1, msg_id: 2, from: 3, ts_ms: 4, text: Cow::Owned(text.clone()) };
        for reply in [Reply::History(vec![hist]), Reply::err(text)] {
            let lines = if matches!(reply, Reply::Err(_)) { 1 } else { 2 };
            let (slot, _) = connection.next_command().expect("a ping");
            connection.reply(slot, reply);
            let output = take(&mut connection);
            prop_assert!(output.ends_with('\n'));
            prop_assert_eq!(output.matches('\n').count(), lines);
            prop_assert!(!output.contains('\r'));
        }
    }

    #[test]
    fn a_command_reads_back_as_itself(command in command()) {
        let mut line = BytesMut::new();
        command.encode(&mut line).expect("fits into a line");
        let mut connection = logged_in(TextLimits::default());
        connection.receive(&line);
        let read = connection.next_command().map(|(_, command)| command);
        prop_assert_eq!(read, Some(command));
    }

    #[test]
    fn a_client_survives_any_line(line in vec(any::<u8>(), 0..80)) {
        let _ = ServerLine::parse(&line);
        let _ = ServerLine::parse(&[b"MSG id=1 ", &line[..]].concat());
    }
}

trait ConcatLines {
    fn concat_lines(&self) -> Vec<u8>;
}

impl ConcatLines for Vec<String> {
    fn concat_lines(&self) -> Vec<u8> {
        self.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
    }
}

/// The line without its LF, which must be its only line end.
fn one_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").expect("ends in LF");
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
    line
}
