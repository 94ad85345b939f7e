//! What is posted is stored, once; what arrived is said to.

use crate::server::{Protocol, Server, next, next_message, options, within};
use im_client::{
    Client, Command, ConnectError, Event, Events, Options, Peer, Refusal, Reply, RequestError,
    Wants,
};
use std::{fs::File, path::Path, time::Duration};

on_all_protocols! {
    what_is_posted_is_sent_on_the_next_connection_with_the_same_id,
    what_is_put_off_is_sent_again_before_what_is_newer_and_what_is_refused_is_not,
    what_the_server_fails_over_again_and_again_is_given_up_and_lets_the_next_pass,
    what_is_in_the_file_outlives_the_client,
    a_message_is_acknowledged_after_it_was_dealt_with,
}

const BOB: Peer = Peer::User(9);

fn id_of(command: Command) -> String {
    match command {
        Command::Send { client_msg_id: Some(id), to: 9, .. } => id,
        other => panic!("no send with an id but {other:?}"),
    }
}

async fn stored(events: &mut Events) -> (String, i64) {
    loop {
        match next(events).await {
            Event::Stored { client_msg_id, to: BOB, msg_id, .. } => return (client_msg_id, msg_id),
            Event::Disconnected { .. } | Event::Reconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn what_is_posted_is_sent_on_the_next_connection_with_the_same_id(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let id = client.post(BOB, "hello").await.expect("room");
    assert_eq!(id_of(peer.command().await.1), id);
    drop(peer);
    // Taken while there is no connection.
    let second = client.post(BOB, "again").await.expect("room");
    let mut peer = server.accept_login().await;
    for (id, msg_id) in [(id, 61), (second, 62)] {
        let (slot, command) = peer.command().await;
        assert_eq!(id_of(command), id);
        assert!(!peer.has_more(), "of a conversation one is under way");
        peer.reply(slot, Reply::MsgId(msg_id)).await;
        assert_eq!(stored(&mut events).await, (id, msg_id));
    }
}

async fn what_is_put_off_is_sent_again_before_what_is_newer_and_what_is_refused_is_not(
    protocol: Protocol,
) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let first = client.post(BOB, "a").await.expect("room");
    let second = client.post(BOB, "b").await.expect("room");
    for words in ["slow down", "unavailable, try again", "internal"] {
        let (slot, command) = peer.command().await;
        assert_eq!(id_of(command), first);
        peer.reply(slot, Reply::err(words)).await;
    }
    let (slot, command) = peer.command().await;
    assert_eq!(id_of(command), first);
    peer.reply(slot, Reply::err("blocked")).await;
    let error = RequestError::Refused(Refusal::of("blocked"));
    let unsent = Event::Unsent { client_msg_id: first, to: BOB, error };
    assert_eq!(next(&mut events).await, unsent);
    let (slot, command) = peer.command().await;
    assert_eq!(id_of(command), second);
    peer.reply(slot, Reply::MsgId(61)).await;
    assert_eq!(stored(&mut events).await, (second, 61));
}

async fn what_the_server_fails_over_again_and_again_is_given_up_and_lets_the_next_pass(
    protocol: Protocol,
) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let first = client.post(BOB, "a").await.expect("room");
    let second = client.post(BOB, "b").await.expect("room");
    let unavailable = "unavailable, try again";
    for words in ["internal"; 7].into_iter().chain([unavailable]).chain(["internal"; 8]) {
        let (slot, command) = peer.command().await;
        assert_eq!(id_of(command), first);
        peer.reply(slot, Reply::err(words)).await;
    }
    let error = RequestError::Refused(Refusal::of("internal"));
    assert!(error.may_have_run());
    let unsent = Event::Unsent { client_msg_id: first, to: BOB, error };
    assert_eq!(next(&mut events).await, unsent);
    let (slot, command) = peer.command().await;
    assert_eq!(id_of(command), second);
    peer.reply(slot, Reply::MsgId(61)).await;
    assert_eq!(stored(&mut events).await, (second, 61));
}

async fn what_is_in_the_file_outlives_the_client(protocol: Protocol) {
    let folder = tempfile::tempdir().expect("a folder");
    let with_file =
        || Options { outbox_file: Some(folder.path().join("outbox")), outbox_max: 2, ..options() };
    let server = Server::start(protocol).await;
    let (client, events, mut peer) = server.client(with_file()).await;
    let mut ids = Vec::new();
    for text in ["a", "b"] {
        ids.push(client.post(BOB, text).await.expect("room"));
    }
    let full = client.post(BOB, "c").await;
    assert_eq!(full, Err(RequestError::Outbox("it is full".to_owned())));
    let taken = Client::connect(server.server(), with_file()).await.expect_err("it is in use");
    assert!(matches!(taken, ConnectError::Outbox { .. }), "{taken}");
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::MsgId(61)).await;
    let _ = peer.command().await;
    drop((client, events, peer));

    // The file is free once the worker has noticed.
    let free = || is_free(&folder.path().join("outbox.lock"));
    within("the file", async {
        while !free() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (_client, mut events, mut peer) = server.client(with_file()).await;
    let (slot, command) = peer.command().await;
    assert_eq!(id_of(command), ids[1], "the other one is stored");
    peer.reply(slot, Reply::MsgId(62)).await;
    assert_eq!(stored(&mut events).await, (ids[1].clone(), 62));
}

fn is_free(lock: &Path) -> bool {
    File::open(lock).expect("it is there").try_lock().is_ok()
}

async fn a_message_is_acknowledged_after_it_was_dealt_with(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (wants, ack_every) = (Wants { acks: true, ..Wants::default() }, Duration::from_millis(1));
    let (_client, mut events, mut peer) =
        server.client(Options { wants, ack_every, ..options() }).await;
    if protocol == Protocol::Text {
        let (slot, command) = peer.command().await;
        assert_eq!(command, Command::Ack { msg_id: 1 }, "of no message: from now on it says");
        peer.reply(slot, Reply::Acked).await;
    }
    for msg_id in 61..=63 {
        peer.push(msg_id, "x").await;
    }
    assert_eq!(next_message(&mut events).await, 61);
    assert_eq!(next_message(&mut events).await, 62);
    assert_eq!(next_message(&mut events).await, 63);
    // That it has 63 nobody knows before it asks for more.
    let mut acked = 0;
    while acked < 62 {
        let (slot, command) = peer.command().await;
        let Command::Ack { msg_id } = command else { panic!("{command:?}") };
        assert!(acked < msg_id && msg_id < 63, "{msg_id}");
        acked = msg_id;
        peer.reply(slot, Reply::Acked).await;
    }
    let more = async {
        tokio::select! {
            event = events.next() => panic!("{event:?}"),
            (_, command) = peer.command() => command,
        }
    };
    assert_eq!(within("the last one", more).await, Command::Ack { msg_id: 63 });
}
