//! Tokens that end, and what replaces them.

use crate::{
    played::{self, Peer, Stage},
    server::{Protocol, Server, next, options},
};
use im_client::{
    Client, Command, ConnectionError, Credential, Event, Events, LoggedIn, Options, Refreshes,
    Refusal, Reply, RequestError, Role, Secret, Wants,
};
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::Instant;

/// How long a token lives.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// By then nothing but a keepalive would have happened by itself.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The tokens of user 7, the first, the second and so on.
fn given(number: u8) -> Box<LoggedIn> {
    let since = UNIX_EPOCH.elapsed().expect("it is later");
    let expires_at_ms = i64::try_from((since + LIFE).as_millis()).expect("soon");
    let [token, refresh] = ["t", "r"].map(|kind| Secret::new(format!("{kind}{number}")));
    Box::new(LoggedIn {
        user_id: 7,
        username: "ada".to_owned(),
        role: Role::User,
        device: "desktop".to_owned(),
        token,
        expires_at_ms,
        refreshes: Some(Refreshes { token: refresh, expires_at_ms }),
    })
}

fn of(number: u8) -> Secret {
    given(number).refreshes.expect("there is one").token
}

fn by_token(number: u8) -> Credential {
    Credential::Token(given(number).token)
}

/// What a log-in by token is answered with.
fn logged_in(number: u8) -> Reply {
    let mut logged_in = given(number);
    logged_in.refreshes = None;
    Reply::LoggedIn(logged_in)
}

async fn client() -> (Client, Events, Peer, Stage) {
    played::client(Options::default(), Reply::LoggedIn(given(1))).await
}

/// The token that a refresh shows, which is asked for next.
async fn refreshed(peer: &mut Peer) -> Secret {
    match peer.command().await {
        Some(Command::Refresh { token }) => token,
        other => panic!("no refresh but {other:?}"),
    }
}

async fn closed(events: &mut Events) -> String {
    loop {
        match next(events).await {
            Event::SessionClosed { reason } => return reason,
            Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_are_replaced_before_they_end_and_the_next_connection_begins_with_the_last() {
    let (_client, _events, mut peer, mut stage) = client().await;
    let began = Instant::now();
    assert_eq!(refreshed(&mut peer).await, of(1));
    let waited = began.elapsed();
    assert!(waited > LIFE / 2 && waited < LIFE * 3 / 4, "{waited:?} of {LIFE:?}");
    peer.grant(Reply::Granted(given(2)));
    let began = Instant::now();
    drop(peer);

    let mut peer = stage.accept().await;
    assert_eq!(peer.log_in().await, (by_token(2), Wants { acks: true, ..Wants::default() }));
    peer.grant(logged_in(2));
    assert_eq!(refreshed(&mut peer).await, of(2));
    let waited = began.elapsed();
    assert!(waited > LIFE / 2 && waited < LIFE * 3 / 4, "{waited:?} of {LIFE:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_answer_was_lost_is_asked_for_again_with_the_same_token() {
    let (_client, _events, mut peer, mut stage) = client().await;
    assert_eq!(refreshed(&mut peer).await, of(1));
    drop(peer);
    let began = Instant::now();
    let mut peer = stage.accept().await;
    assert_eq!(peer.log_in().await.0, by_token(1));
    peer.grant(logged_in(1));
    assert_eq!(refreshed(&mut peer).await, of(1));
    assert!(began.elapsed() < AT_ONCE, "a server gives it again for a while only");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_put_off_is_asked_for_again_and_one_that_is_refused_ends_the_session() {
    let (client, mut events, mut peer, mut stage) = client().await;
    for words in ["unavailable, try again", "slow down", "internal"] {
        assert_eq!(refreshed(&mut peer).await, of(1));
        peer.refuse(Refusal::of(words));
    }
    assert_eq!(refreshed(&mut peer).await, of(1));
    let pending = client.submit(Command::Groups).await.expect("room");
    assert_eq!(peer.command().await, Some(Command::Groups));
    peer.refuse(Refusal::of("invalid token"));
    let reason = "the log-in was not refreshed: invalid token".to_owned();
    assert_eq!(pending.answer().await, Err(RequestError::SessionClosed(reason.clone())));
    assert_eq!(closed(&mut events).await, reason);
    assert_eq!(peer.command().await, None, "that session is of no use any more");

    let again = async {
        let mut peer = stage.accept().await;
        assert!(matches!(peer.log_in().await.0, Credential::Password { .. }));
        peer.grant(Reply::LoggedIn(given(2)));
    };
    let (uid, ()) = tokio::join!(client.login("ada", "secret"), again);
    assert_eq!(uid, Ok(7), "nothing is in its way");
}

#[tokio::test(start_paused = true)]
async fn a_new_token_that_is_refused_is_not_refreshed_without_end() {
    let (_client, mut events, peer, mut stage) = client().await;
    drop(peer);
    let mut peer = stage.accept().await;
    for number in [1, 2] {
        assert_eq!(peer.log_in().await.0, by_token(number));
        peer.refuse(Refusal::of("token expired"));
        if number == 1 {
            assert_eq!(refreshed(&mut peer).await, of(1));
            peer.grant(Reply::Granted(given(2)));
        }
    }
    assert_eq!(closed(&mut events).await, "token expired");
}

#[tokio::test(start_paused = true)]
async fn a_log_in_that_was_ended_does_not_come_back_by_itself() {
    for reason in ["refresh token reused", "password changed", "logged out everywhere"] {
        let (_client, mut events, peer, _stage) = client().await;
        peer.say(Err(ConnectionError::Closing(reason.to_owned())));
        assert_eq!(closed(&mut events).await, reason);
        assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
        assert_eq!(next(&mut events).await, Event::Reconnected { uid: None });
    }
}

/// What is said of it in JSON, and that a server takes it before a log-in.
async fn who_was_away_for_longer_than_a_token_lives_refreshes_first(protocol: Protocol) {
    let server = Server::start(protocol).await;
    let wants = Wants { refresh: true, ..Wants::default() };
    let connect = Client::connect(server.server(), Options { wants, ..options() });
    let (mut peer, client) = tokio::join!(server.accept(), connect);
    let (client, mut events) = client.expect("connects");
    let begin = async {
        let (slot, command) = peer.command().await;
        let Command::LogIn(log_in) = command else { panic!("{command:?}") };
        assert_eq!(log_in.wants, wants);
        peer.reply(slot, Reply::LoggedIn(given(1))).await;
    };
    let (uid, ()) = tokio::join!(client.login("ada", "secret"), begin);
    assert_eq!(uid, Ok(7));
    drop(peer);
    let groups = client.submit(Command::Groups).await.expect("room");

    let mut peer = server.accept().await;
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::err("token expired")).await;
    let (slot, command) = peer.command().await;
    assert_eq!(command, Command::Refresh { token: of(1) });
    peer.reply(slot, Reply::Granted(given(2))).await;
    let (slot, command) = peer.command().await;
    let Command::LogIn(log_in) = command else { panic!("{command:?}") };
    assert_eq!(log_in.credential, by_token(2));
    peer.reply(slot, logged_in(2)).await;
    let (slot, command) = peer.command().await;
    assert_eq!(command, Command::Groups, "after the log-in");
    peer.reply(slot, Reply::Groups(vec![4])).await;
    assert_eq!(groups.answer().await, Ok(Reply::Groups(vec![4])));
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert_eq!(next(&mut events).await, Event::Reconnected { uid: Some(7) });
}

#[tokio::test]
async fn away_for_longer_on_frames() {
    who_was_away_for_longer_than_a_token_lives_refreshes_first(Protocol::Frames).await;
}

#[tokio::test]
async fn away_for_longer_on_web_socket() {
    who_was_away_for_longer_than_a_token_lives_refreshes_first(Protocol::WebSocket).await;
}
