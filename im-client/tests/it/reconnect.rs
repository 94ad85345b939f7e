//! What a lost connection costs: nothing that may be repeated, and a clear word for the rest.

use crate::server::{Protocol, Server, next, next_message, options, within};
use im_client::{Command, Credential, Event, Options, Reply, RequestError};
use std::time::Duration;

on_all_protocols! {
    a_send_that_was_not_answered_is_sent_again_with_the_same_id,
    sends_keep_their_order_over_a_reconnect_and_answered_ones_are_not_repeated,
    what_must_not_run_twice_is_reported_as_lost_and_not_repeated,
    a_message_that_comes_again_after_a_reconnect_is_shown_once,
    a_session_that_is_closed_for_another_does_not_fight_back,
    a_log_in_that_is_wrong_by_now_is_not_repeated_and_one_that_is_put_off_is,
    what_comes_while_logging_in_again_waits_for_a_consumer_that_pauses,
}

fn sent(command: Command) -> (String, String) {
    match command {
        Command::Send { client_msg_id: Some(id), to: 9, text, .. } => (id, text),
        other => panic!("no send with an id but {other:?}"),
    }
}

async fn a_send_that_was_not_answered_is_sent_again_with_the_same_id(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let send = client.send(9, "hello");
    let play = async {
        let (_slot, first) = peer.command().await;
        drop(peer);
        let mut peer = server.accept_login().await;
        let (slot, again) = peer.command().await;
        assert_eq!(again, first, "the same id, so the server knows it again");
        peer.reply(slot, Reply::MsgId(61)).await;
        sent(first)
    };
    let (msg_id, (client_msg_id, text)) =
        within("the send", async { tokio::join!(send, play) }).await;
    assert_eq!(msg_id, Ok(61));
    assert_eq!((client_msg_id.len(), text.as_str()), (32, "hello"));
}

async fn sends_keep_their_order_over_a_reconnect_and_answered_ones_are_not_repeated(
    protocol: Protocol,
) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let mut replies = Vec::new();
    for text in ["a", "b", "c"] {
        let send = Command::Send { client_msg_id: None, to: 9, text: text.to_owned() };
        replies.push(client.submit(send).await.expect("room"));
    }
    let (slot, _) = peer.command().await;
    let (_b, _) = peer.command().await;
    let (_c, _) = peer.command().await;
    peer.reply(slot, Reply::MsgId(1)).await;
    let first = replies.remove(0).answer().await.expect("answered before the loss");
    assert_eq!(first, Reply::MsgId(1));
    drop(peer);

    // Asked while there is no connection: behind those that were.
    let send = Command::Send { client_msg_id: None, to: 9, text: "d".to_owned() };
    replies.push(client.submit(send).await.expect("room"));
    let mut peer = server.accept_login().await;
    let mut texts = Vec::new();
    for msg_id in 2..=4 {
        let (slot, command) = peer.command().await;
        texts.push(sent(command).1);
        peer.reply(slot, Reply::MsgId(msg_id)).await;
    }
    assert_eq!(texts, ["b", "c", "d"]);
    for (reply, msg_id) in replies.into_iter().zip(2..) {
        assert_eq!(reply.answer().await, Ok(Reply::MsgId(msg_id)));
    }
}

async fn what_must_not_run_twice_is_reported_as_lost_and_not_repeated(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, _events, mut peer) = server.client(options()).await;
    let lost = client.submit(Command::AddFriend { friend_id: 9 }).await.expect("room");
    let (_slot, _) = peer.command().await;
    drop(peer);
    let error = lost.answer().await.expect_err("lost");
    assert_eq!(error, RequestError::Lost);
    assert!(error.may_have_run());

    let pulled = client.submit(Command::Pull).await.expect("room");
    let mut peer = server.accept_login().await;
    let (slot, command) = peer.command().await;
    assert_eq!(command, Command::Pull, "the next thing after the log-in");
    peer.reply(slot, Reply::PullDone).await;
    assert_eq!(pulled.answer().await, Ok(Reply::PullDone));
}

async fn a_message_that_comes_again_after_a_reconnect_is_shown_once(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (_client, mut events, mut peer) = server.client(options()).await;
    peer.push(1, "one").await;
    peer.push(2, "two").await;
    assert_eq!(next_message(&mut events).await, 1);
    assert_eq!(next_message(&mut events).await, 2);
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));

    let mut peer = server.accept_login().await;
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
    peer.push(2, "two").await;
    peer.push(3, "three").await;
    assert_eq!(next_message(&mut events).await, 3);
}

async fn a_session_that_is_closed_for_another_does_not_fight_back(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let pending = client.submit(Command::Pull).await.expect("room");
    let (_slot, _) = peer.command().await;
    peer.close("logged in elsewhere").await;
    let reason = "logged in elsewhere".to_owned();
    let closed = RequestError::SessionClosed(reason.clone());
    assert_eq!(pending.answer().await, Err(closed));
    assert_eq!(next(&mut events).await, Event::SessionClosed { reason });
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));

    let mut peer = server.accept().await;
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: None });
    let (uid, command) = tokio::join!(client.login("bob", "secret"), peer.log_in());
    assert_eq!(uid, Ok(7));
    let username = match command {
        Command::LogIn(log_in) => match log_in.credential {
            Credential::Password { username, .. } => username,
            other => panic!("{other:?}"),
        },
        Command::Login { username, .. } => username,
        other => panic!("{other:?}"),
    };
    assert_eq!(username, "bob", "and no log-in before it");
}

async fn a_log_in_that_is_wrong_by_now_is_not_repeated_and_one_that_is_put_off_is(
    protocol: Protocol,
) {
    let server = Server::start(protocol).await;
    let (_client, mut events, peer) = server.client(options()).await;
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    for refusal in ["auth too many attempts", "auth bad cred"] {
        let mut peer = server.accept().await;
        let (slot, command) = peer.command().await;
        assert!(matches!(command, Command::Login { .. } | Command::LogIn(_)), "{command:?}");
        peer.reply(slot, Reply::err(refusal)).await;
        if refusal == "auth bad cred" && protocol != Protocol::Text {
            // That was by token; the password comes next.
            let (slot, _) = peer.command().await;
            peer.reply(slot, Reply::err(refusal)).await;
        }
        let reason = match next(&mut events).await {
            Event::Disconnected { reason, .. } | Event::SessionClosed { reason } => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason.contains(refusal), "{reason}");
    }
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: None });
}

/// Only the server is timed, not whoever takes the events.
async fn what_comes_while_logging_in_again_waits_for_a_consumer_that_pauses(protocol: Protocol) {
    let pause = Duration::from_secs(2);
    let options = Options { events_max: 1, request_timeout: pause, ..options() };
    let server = Server::start(protocol).await;
    let (_client, mut events, peer) = server.client(options).await;
    drop(peer);
    let mut peer = server.accept().await;
    let (slot, _) = peer.command().await;
    // The one place is taken by the loss of the connection.
    peer.reply(slot, Reply::err("auth bad cred")).await;
    if protocol != Protocol::Text {
        let (slot, _) = peer.command().await;
        peer.reply(slot, Reply::err("auth bad cred")).await;
    }
    assert!(!peer.hangs_up_within(3 * pause).await, "it waits");
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let reason = "auth bad cred".to_owned();
    assert_eq!(next(&mut events).await, Event::SessionClosed { reason });
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: None });
}
