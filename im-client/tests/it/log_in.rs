//! Logging in: what it says, and how a session comes back.

use crate::server::{Protocol, Server, next, options, within};
use im_client::{
    BadRequest, Client, Command, Credential, Event, LogIn, Options, Reply, RequestError, Secret,
    Wants,
};

on_all_protocols! {
    a_log_in_says_which_device_it_is_and_what_it_wants,
    a_log_in_that_is_refused_says_so_and_may_be_tried_again,
    a_log_in_that_says_nothing_else_wants_nothing,
    whoever_logs_out_is_not_logged_in_again,
    a_connection_that_nobody_uses_is_made_again_when_somebody_does,
}

fn wants() -> Wants {
    Wants { events: true, receipts: true, acks: true, refresh: true }
}

async fn a_log_in_says_which_device_it_is_and_what_it_wants(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let device = Some("bot:a-1".to_owned());
    let options = Options { device: device.clone(), wants: wants(), ..options() };
    let (_client, mut events, peer) = server.client(options).await;
    drop(peer);
    // The second log-in is the same, or by token where there is one.
    let mut peer = server.accept().await;
    let again = peer.log_in().await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
    let password = Secret::new("secret");
    if protocol == Protocol::Text {
        assert_eq!(again, Command::Login { username: "ada".into(), password });
        for expected in [
            Command::Events { on: true },
            Command::Receipts { on: true },
            Command::Ack { msg_id: 1 },
        ] {
            let (slot, command) = peer.command().await;
            assert_eq!(command, expected);
            peer.reply(slot, Reply::err("whatever it says")).await;
        }
    } else {
        let Command::LogIn(log_in) = again else { panic!("{again:?}") };
        assert_eq!(log_in.credential, Credential::Token(Secret::new("a-token")));
        assert_eq!(log_in.wants, Wants { refresh: false, ..wants() }, "not with a token");
    }
}

async fn a_log_in_that_is_refused_says_so_and_may_be_tried_again(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (mut peer, client) =
        tokio::join!(server.accept(), Client::connect(server.server(), options()));
    let (client, _events) = client.expect("connects");
    let refuse = async {
        let (slot, _) = peer.command().await;
        peer.reply(slot, Reply::err("auth bad cred")).await;
    };
    let (refused, ()) = tokio::join!(client.login("ada", "wrong"), refuse);
    assert_eq!(refused.expect_err("refused").to_string(), "auth bad cred");
    let (uid, command) = tokio::join!(client.login("ada", "secret"), peer.log_in());
    assert_eq!(uid, Ok(7));
    if let Command::LogIn(log_in) = command {
        let LogIn { credential, .. } = *log_in;
        let password = Secret::new("secret");
        assert_eq!(credential, Credential::Password { username: "ada".into(), password });
    }
}

async fn a_log_in_that_says_nothing_else_wants_nothing(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (mut peer, client) =
        tokio::join!(server.accept(), Client::connect(server.server(), options()));
    let (client, _events) = client.expect("connects");
    let (username, password) = ("ada".into(), Secret::new("secret"));
    let _uid = client.submit(Command::Login { username, password }).await.expect("room");
    if let Command::LogIn(log_in) = peer.log_in().await {
        assert_eq!(log_in.wants, Wants::default());
    }
    let _groups = client.submit(Command::Groups).await.expect("room");
    assert_eq!(peer.command().await.1, Command::Groups, "and nothing before it");
}

async fn whoever_logs_out_is_not_logged_in_again(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (client, mut events, mut peer) = server.client(options()).await;
    let answer = async {
        let (slot, command) = peer.command().await;
        assert_eq!(command, Command::Logout);
        peer.reply(slot, Reply::LoggedOut).await;
    };
    let (out, ()) = tokio::join!(client.log_out(), answer);
    assert_eq!(out, Ok(()));
    peer.close("logged out").await;
    // Nobody connects for nothing: the next connection is that of the next request.
    let friends = client.submit(Command::GetFriends).await.expect("room");
    let mut peer = server.accept().await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: None });
    // It is refused there, since no log-in came before it.
    let refused = tokio::select! {
        refused = friends.answer() => refused.expect_err("refused"),
        (_, command) = peer.command() => panic!("{command:?}"),
    };
    assert_eq!(refused.to_string(), "not login");
}

async fn a_connection_that_nobody_uses_is_made_again_when_somebody_does(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let (peer, client) = tokio::join!(server.accept(), Client::connect(server.server(), options()));
    let (client, _events) = client.expect("connects");
    peer.close("login timeout").await;
    let again = async {
        let mut peer = server.accept().await;
        peer.log_in().await;
        peer
    };
    let (uid, _peer) =
        within("the log-in", async { tokio::join!(client.login("ada", "secret"), again) }).await;
    assert_eq!(uid, Ok(7));
}

#[tokio::test]
async fn text_lines_know_how_devices_are_called() {
    let server = Server::start(Protocol::Text).await;
    let connect = |device: &str| {
        let options = Options { device: Some(device.to_owned()), ..options() };
        Client::connect(server.server(), options)
    };
    for device in ["toaster", "bot:", "bot:a b", "bot:a:b"] {
        let (_peer, client) = tokio::join!(server.accept(), connect(device));
        let (client, _events) = client.expect("connects");
        let refused = client.login("ada", "secret").await;
        assert_eq!(refused, Err(RequestError::Invalid(BadRequest::Device)), "{device}");
    }
}
