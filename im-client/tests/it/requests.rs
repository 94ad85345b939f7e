//! Requests and answers on a connection that lives.

use crate::server::{Protocol, Server, next_message, options, within};
use im_client::{BadRequest, Client, Command, Options, Reply, RequestError};
use im_wire::text::EncodeError;
use std::time::Duration;

on_all_protocols! {
    an_answer_never_reaches_the_request_behind_one_that_was_given_up,
    what_no_server_would_take_is_refused_here_and_harms_nothing,
    no_more_than_the_bound_is_in_flight,
    events_that_nobody_takes_stop_the_connection_and_are_not_lost,
    an_answer_knows_which_messages_came_before_it,
    the_connection_ends_with_the_last_handle_once_everything_is_answered,
}

async fn an_answer_never_reaches_the_request_behind_one_that_was_given_up(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    drop(client.submit(Command::GetFriends).await.expect("room"));
    let groups = client.submit(Command::Groups).await.expect("room");
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Friends(vec![1, 2])).await;
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![4])).await;
    assert_eq!(groups.answer().await, Ok(Reply::Groups(vec![4])));
}

async fn what_no_server_would_take_is_refused_here_and_harms_nothing(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let (text, expected) = match protocol {
        Protocol::Text => {
            let bad = EncodeError::LineBreak("the text");
            ("two\nlines".to_owned(), BadRequest::Line(bad))
        }
        // Of which a server would end the connection.
        _ => ("x".repeat(64 * 1024), BadRequest::TooBig(0)),
    };
    let error = client.send(9, text).await.expect_err("refused");
    match (error, expected) {
        (RequestError::Invalid(BadRequest::TooBig(bytes)), BadRequest::TooBig(_)) => {
            assert!(bytes > 64 * 1024);
        }
        (error, expected) => assert_eq!(error, RequestError::Invalid(expected)),
    }
    let _groups = client.submit(Command::Groups).await.expect("room");
    assert_eq!(peer.command().await.1, Command::Groups);
}

async fn no_more_than_the_bound_is_in_flight(protocol: Protocol) {
    let server = Server::start(protocol).await;
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
        assert_eq!(reply.answer().await, Ok(Reply::MsgId(msg_id)));
    }
}

async fn events_that_nobody_takes_stop_the_connection_and_are_not_lost(protocol: Protocol) {
    let server = Server::start(protocol).await;
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

async fn an_answer_knows_which_messages_came_before_it(protocol: Protocol) {
    let server = Server::start(protocol).await;
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

async fn the_connection_ends_with_the_last_handle_once_everything_is_answered(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let last = client.submit(Command::Groups).await.expect("room");
    drop::<Client>(client);
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![])).await;
    assert_eq!(last.answer().await, Ok(Reply::Groups(vec![])));
    assert_eq!(within("the end", events.next()).await, None);
}
