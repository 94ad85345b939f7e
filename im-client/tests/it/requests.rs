//! Requests and answers on a connection that lives.

use crate::server::{Server, next_message, options, within};
use im_client::{Client, Options, RequestError};
use im_wire::text::{Command, EncodeError, Hist, Reply};
use std::{borrow::Cow, time::Duration};

#[tokio::test]
async fn an_answer_never_reaches_the_request_behind_one_that_was_given_up() {
    let server = Server::start().await;
    let (client, _events, mut peer) = server.client(options()).await;
    drop(client.submit(Command::GetFriends).await.expect("room"));
    let groups = client.submit(Command::Groups).await.expect("room");
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Friends(vec![1, 2])).await;
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![4])).await;
    assert_eq!(groups.answer().await.expect("answered").ids(), Some(vec![4]));
}

#[tokio::test]
async fn a_refusal_has_the_servers_words_and_a_history_its_messages() {
    let server = Server::start().await;
    let (client, _events, mut peer) = server.client(options()).await;
    let refused = client.send(99, "hello");
    let play = async {
        let (slot, _) = peer.command().await;
        peer.reply(slot, Reply::err("no such user")).await;
    };
    let (refused, ()) = tokio::join!(refused, play);
    assert_eq!(refused, Err(RequestError::Refused("no such user".to_owned())));

    let peer_of = im_client::Peer::User(9);
    let asked = client.request(Command::History { peer: peer_of, after_seq: 0, limit: 2 });
    let hist = |seq| Hist { seq, msg_id: seq, from: 9, ts_ms: 3, text: Cow::Borrowed("x") };
    let play = async {
        let (slot, _) = peer.command().await;
        peer.reply(slot, Reply::History(vec![hist(1), hist(2)])).await;
    };
    let (history, ()) = tokio::join!(asked, play);
    assert_eq!(history.expect("answered").history, [hist(1), hist(2)]);
}

#[tokio::test]
async fn what_does_not_fit_into_a_line_is_refused_here_and_harms_nothing() {
    let server = Server::start().await;
    let (client, _events, mut peer) = server.client(options()).await;
    let error = client.send(9, "two\nlines").await.expect_err("refused");
    assert_eq!(error, RequestError::Invalid(EncodeError::LineBreak("the text")));
    let _pong = client.submit(Command::Ping).await.expect("room");
    assert_eq!(peer.command().await.1, Command::Ping);
}

#[tokio::test]
async fn no_more_than_the_bound_is_in_flight() {
    let server = Server::start().await;
    let (client, _events, mut peer) =
        server.client(Options { in_flight_max: 2, ..options() }).await;
    let mut replies = Vec::new();
    for number in 0..6 {
        let send = Command::Send { client_msg_id: None, to: 9, text: number.to_string() };
        replies.push(client.submit(send).await.expect("room"));
    }
    for msg_id in [1, 3, 5] {
        let (first, _) = peer.command().await;
        let (second, _) = peer.command().await;
        assert!(!peer.has_more(), "a third was written");
        peer.reply(first, Reply::MsgId(msg_id)).await;
        peer.reply(second, Reply::MsgId(msg_id + 1)).await;
    }
    for (reply, msg_id) in replies.into_iter().zip(1..) {
        assert_eq!(reply.answer().await.expect("answered").msg_id(), Some(msg_id));
    }
}

#[tokio::test]
async fn events_that_nobody_takes_stop_the_connection_and_are_not_lost() {
    let server = Server::start().await;
    let short = Duration::from_secs(2);
    let bounded = Options { events_max: 2, request_timeout: short, ..options() };
    let (client, mut events, mut peer) = server.client(bounded).await;
    for msg_id in 1..=10 {
        peer.push(msg_id, "x").await;
    }
    let stuck = client.request(Command::Ping).await;
    assert_eq!(stuck, Err(RequestError::TimedOut(short)));
    for msg_id in 1..=10 {
        assert_eq!(next_message(&mut events).await, msg_id);
    }
}

#[tokio::test]
async fn an_answer_knows_which_messages_came_before_it() {
    let server = Server::start().await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let pull = client.submit(Command::Pull).await.expect("room");
    let (slot, _) = peer.command().await;
    peer.push(1, "waited").await;
    peer.reply(slot, Reply::PullDone).await;
    peer.push(2, "came later").await;
    let answered = pull.answered().await;
    assert!(answered.outcome.is_ok());
    assert_eq!(answered.after_events, 1);
    assert_eq!(next_message(&mut events).await, 1);
    assert_eq!(events.taken(), answered.after_events);
}

#[tokio::test]
async fn the_connection_ends_with_the_last_handle_once_everything_is_answered() {
    let server = Server::start().await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let last = client.submit(Command::Groups).await.expect("room");
    drop::<Client>(client);
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![])).await;
    assert_eq!(last.answer().await.expect("answered").ids(), Some(vec![]));
    assert_eq!(within("the end", events.next()).await, None);
}
