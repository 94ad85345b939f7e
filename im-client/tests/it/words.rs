//! What is asked arrives as it was asked, what is answered as it was answered, what is shown as it was
//! shown, in whatever protocol.

use crate::server::{Protocol, Server, message, next, options, within};
use im_client::{
    Command, Conv, Event, Group, Hist, LoggedIn, Message, Outgoing, Peer, Priority, Receipt,
    Refreshes, Refusal, Reply, RequestError, Role, Secret, Signal, Status, User, Why,
};
use im_wire::Shown;
use std::borrow::Cow;

on_all_protocols! {
    every_request_and_every_answer_arrives_as_it_left,
    a_heartbeat_is_answered_in_its_place_whenever_its_answer_comes,
    everything_that_is_shown_arrives_as_it_left,
    every_refusal_keeps_its_words_and_its_code,
}

fn hist(seq: i64) -> Hist<'static> {
    Hist { seq, msg_id: seq + 60, from: 7 + seq % 2, ts_ms: 3, text: Cow::Borrowed("hi, all") }
}

fn conv(peer: Peer, unread: u32) -> Conv<'static> {
    let text = Cow::Borrowed("hi");
    Conv { peer, head: 9, read: 1, unread, last_msg_id: 2, from: 9, ts_ms: 3, text }
}

fn receipt(from: i64, group_id: Option<i64>) -> Receipt {
    Receipt { from, group_id, delivered: Some(12), read: Some(10) }
}

/// Each request that every protocol can say, with an answer.
fn dialogue() -> Vec<(Command, Reply)> {
    let (ada, crew) = (Peer::User(9), Peer::Group(4));
    let send = |id: &str| Some(id.to_owned());
    let text = || "hi: \"you\", 你好".to_owned();
    let (devices, device) = (vec![("web:a".to_owned(), true)], "web:a".to_owned());
    let receipts = vec![receipt(8, Some(4)), receipt(9, Some(4))];
    let name = || "crew".to_owned();
    let (client_msg_id, high) = (send("c-1"), Priority::High);
    vec![
        (Command::Send { client_msg_id, to: 9, text: text() }, Reply::MsgId(61)),
        (
            Command::Send { client_msg_id: send("c-2"), to: 9, text: text() },
            Reply::MsgIdSeq(7_529_508_774_764_085_248, 12),
        ),
        (
            Command::SendGroup { client_msg_id: send("c-3"), group_id: 4, text: text() },
            Reply::GroupMsgIdSeq(63, 13),
        ),
        (Command::Pull, Reply::PullDone),
        (Command::Ack { msg_id: 7_529_508_774_764_085_248 }, Reply::Acked),
        (
            Command::History { peer: crew, after_seq: 0, limit: 5 },
            Reply::History(vec![hist(1), hist(2)]),
        ),
        (Command::Recent { peer: ada, limit: 5, before_seq: None }, Reply::History(vec![])),
        (
            Command::Recent { peer: ada, limit: 5, before_seq: Some(3) },
            Reply::History(vec![hist(1)]),
        ),
        (Command::Read { peer: crew, seq: 3 }, Reply::Read),
        (
            Command::Conversations { limit: Some(2), page: None },
            Reply::Conversations { listed: vec![conv(ada, 0), conv(crew, 100)], next_page: None },
        ),
        (Command::Events { on: true }, Reply::Events(true)),
        (Command::Typing { peer: ada }, Reply::Typing),
        (Command::Whisper { peer: crew, text: text() }, Reply::Whispered),
        (Command::Receipts { on: false }, Reply::Receipts(false)),
        (Command::ReceiptsOf { peer: crew }, Reply::ReceiptsOf(receipts)),
        (Command::ReceiptsOf { peer: ada }, Reply::ReceiptsOf(vec![receipt(9, None)])),
        (Command::Priority { priority: high }, Reply::Priority(high)),
        (Command::Status { status: Status::Busy }, Reply::Status(Status::Busy)),
        (Command::Presence { uid: 9 }, Reply::Presence(9, Status::Away)),
        (Command::AddFriend { friend_id: 9 }, Reply::FriendAdded),
        (Command::RemoveFriend { friend_id: 9 }, Reply::FriendRemoved),
        (Command::GetFriends, Reply::Friends(vec![8, 9])),
        (Command::Block { uid: 9 }, Reply::UserBlocked),
        (Command::Unblock { uid: 9 }, Reply::UserUnblocked),
        (Command::Blocked, Reply::Blocked(vec![])),
        (Command::CreateGroup { name: name(), description: text() }, Reply::GroupId(4)),
        (Command::JoinGroup { group_id: 4 }, Reply::JoinedGroup),
        (Command::LeaveGroup { group_id: 4 }, Reply::LeftGroup),
        (Command::Members { group_id: 4 }, Reply::Members(vec![7, 9])),
        (Command::Groups, Reply::Groups(vec![4])),
        (Command::Devices, Reply::Devices(devices)),
        (Command::Revoke { device }, Reply::Revoked),
        (Command::WhoAmI, Reply::Uid(7)),
    ]
}

/// The next tokens of user 7, which live long.
fn granted() -> Reply {
    let (expires_at_ms, token) = (4_000_000_000_000, Secret::new("r-2"));
    Reply::Granted(Box::new(LoggedIn {
        user_id: 7,
        username: "ada".to_owned(),
        role: Role::Bot,
        device: "desktop".to_owned(),
        token: Secret::new("t-2"),
        expires_at_ms,
        refreshes: Some(Refreshes { token, expires_at_ms: 5_000_000_000_000 }),
    }))
}

/// What text lines have no word for.
fn more_dialogue() -> Vec<(Command, Reply)> {
    let user = User { user_id: 9, username: "bob".to_owned() };
    let (name, description) = ("crew".to_owned(), String::new());
    let group = Group { group_id: 4, name, description, creator_id: 9, created_at_ms: 3 };
    let message = |to, receipts| Outgoing {
        client_msg_id: Some("c-4".to_owned()),
        to,
        text: "hi".to_owned(),
        priority: Some(Priority::Urgent),
        receipts,
    };
    let (user_ids, page) = (vec![8, 9], Some("p2".to_owned()));
    let statuses = vec![(8, Status::Offline), (9, Status::Busy)];
    let (to_user, to_group) = (message(Peer::User(9), Some(true)), message(Peer::Group(4), None));
    vec![
        (Command::Message(Box::new(to_user)), Reply::MsgId(61)),
        (Command::Message(Box::new(to_group)), Reply::GroupMsgIdSeq(62, 13)),
        (Command::Users { user_ids: user_ids.clone() }, Reply::Users(vec![user])),
        (Command::PresenceOf { user_ids }, Reply::PresenceOf(statuses)),
        (Command::Group { group_id: 4 }, Reply::Group(Box::new(group))),
        (
            Command::Conversations { limit: Some(1), page },
            Reply::Conversations {
                listed: vec![conv(Peer::User(9), 0)],
                next_page: Some("p3".to_owned()),
            },
        ),
        (Command::Refresh { token: Secret::new("r-1") }, granted()),
        (Command::ChangePassword { old: Secret::new("old"), new: Secret::new("new") }, granted()),
        (Command::LogoutEverywhere, Reply::LoggedOut),
    ]
}

async fn every_request_and_every_answer_arrives_as_it_left(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let more = if protocol == Protocol::Text { Vec::new() } else { more_dialogue() };
    for (command, reply) in dialogue().into_iter().chain(more) {
        let answered = client.submit(command.clone()).await.expect("room");
        let (slot, asked) = peer.command().await;
        match (&command, &reply) {
            // To a server of JSON one is several.
            (Command::Presence { uid }, Reply::Presence(_, status))
                if protocol != Protocol::Text =>
            {
                assert_eq!(asked, Command::PresenceOf { user_ids: vec![*uid] });
                peer.reply(slot, Reply::PresenceOf(vec![(*uid, *status)])).await;
            }
            _ => {
                assert_eq!(asked, command);
                peer.reply(slot, reply.clone()).await;
            }
        }
        let outcome = within("the answer", answered.answer()).await;
        assert_eq!(outcome, Ok(reply), "{command:?}");
    }
}

/// The servers of frames and WebSocket answer it at once.
async fn a_heartbeat_is_answered_in_its_place_whenever_its_answer_comes(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let mut asked = Vec::new();
    for command in [Command::Pull, Command::Ping, Command::Groups] {
        asked.push(client.submit(command).await.expect("room"));
    }
    let (slot, _) = peer.command().await;
    if protocol != Protocol::Text {
        peer.beat().await;
    }
    peer.reply(slot, Reply::PullDone).await;
    if protocol == Protocol::Text {
        let (slot, _) = peer.command().await;
        peer.reply(slot, Reply::Pong).await;
    }
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![4])).await;
    for (asked, reply) in
        asked.into_iter().zip([Reply::PullDone, Reply::Pong, Reply::Groups(vec![4])])
    {
        assert_eq!(within("the answer", asked.answer()).await, Ok(reply));
    }
}

async fn everything_that_is_shown_arrives_as_it_left(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (_client, mut events, mut peer) = server.client(options()).await;
    let whisper = |group_id| Signal::Whisper { from: 9, group_id, text: "psst".to_owned() };
    let of_group = Message { to: Peer::Group(4), ..message(2, "all") };
    let copy = Message { from: 7, to: Peer::User(9), is_copy: true, ..message(3, "mine") };
    for message in [message(1, "hi \u{1F44B}"), of_group, copy] {
        peer.show(&Shown::message(message.clone())).await;
        // Lines do not tell it.
        let seq = if protocol == Protocol::Text { 0 } else { message.seq };
        assert_eq!(next(&mut events).await, Event::Message(Message { seq, ..message }));
    }
    for signal in [
        Signal::Typing { from: 9, group_id: None },
        Signal::Typing { from: 9, group_id: Some(4) },
        whisper(None),
        whisper(Some(4)),
        Signal::Presence { uid: 9, status: Status::Offline },
        Signal::Receipt(receipt(9, Some(4))),
        Signal::Receipt(Receipt { read: None, ..receipt(9, None) }),
        Signal::Receipt(Receipt { delivered: None, ..receipt(9, None) }),
    ] {
        peer.show(&Shown::event(signal.clone())).await;
        assert_eq!(next(&mut events).await, Event::Signal(signal));
    }
}

async fn every_refusal_keeps_its_words_and_its_code(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    for (words, otherwise, code) in [
        ("no such user", Why::BadArgument, 1001),
        ("not a member", Why::BadArgument, 2002),
        ("slow down", Why::BadArgument, 5003),
        ("bad toUid", Why::BadArgument, 4001),
        ("unavailable, try again", Why::BadArgument, 5003),
        // Only its code tells what it is, and text lines have none.
        ("the moon is full", Why::NotFound, if protocol == Protocol::Text { 4001 } else { 2001 }),
    ] {
        for command in [
            Command::Pull,
            Command::Presence { uid: 9 },
            Command::Conversations { limit: None, page: None },
        ] {
            let answered = client.submit(command).await.expect("room");
            let (slot, _) = peer.command().await;
            peer.reply(slot, Reply::Err(Refusal::or(words, otherwise))).await;
            let Err(RequestError::Refused(refusal)) = answered.answer().await else {
                panic!("{words} was granted");
            };
            let told = (refusal.words(), refusal.code(), refusal.retry_after_ms());
            assert_eq!(told, (words, code, None));
        }
    }
}
