//! How long a client stays away, and how long somebody waits for room.

use crate::{
    played::client,
    server::{message, next, next_message},
};
use im_client::{
    Command, ConnectionError, Event, Events, Incoming, Options, Refusal, Reply, RequestError, What,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

async fn retry_in(events: &mut Events) -> Duration {
    match next(events).await {
        Event::Disconnected { retry_in, .. } => retry_in,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_left_alone_for_as_long_as_it_asks_to_be() {
    let options = Options::default();
    let (first, longest) = (options.backoff_min, options.backoff_max);
    let (_client, mut events, peer, mut stage) = client(options, Reply::Uid(7)).await;
    drop(peer);
    assert!(retry_in(&mut events).await <= first, "it has not asked to be");
    let told = Duration::from_secs(20);
    for _ in 0..3 {
        let mut peer = stage.accept().await;
        peer.log_in().await;
        peer.refuse(Refusal::of("auth too many attempts").retry_after(told));
        let lost_at = Instant::now();
        let pause = retry_in(&mut events).await;
        assert!(pause > told && pause <= told + longest, "{pause:?}");
        let mut peer = stage.accept().await;
        assert!(lost_at.elapsed() >= pause, "{:?}", lost_at.elapsed());
        peer.log_in().await;
        peer.say(Err(ConnectionError::Closing("server full".to_owned())));
        assert!(retry_in(&mut events).await > Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_in_time_is_told_that_nothing_was_sent() {
    let options = Options { in_flight_max: 1, queue_max: 1, ..Options::default() };
    let patience = options.request_timeout;
    let (client, mut events, mut peer, _stage) = client(options, Reply::Uid(7)).await;
    let first = client.submit(Command::Groups).await.expect("room");
    assert_eq!(peer.command().await, Some(Command::Groups));
    let second = client.submit(Command::GetFriends).await.expect("room in the queue");
    let heard = async {
        // The server is there, and slow.
        sleep(patience / 2).await;
        peer.say(Ok(Incoming::Shown(What::Message(message(61, "hi")))));
        next_message(&mut events).await
    };
    let (third, _) = tokio::join!(client.submit(Command::Pull), heard);
    let error = third.map(drop).expect_err("there is no room");
    assert_eq!(error, RequestError::Busy(patience));
    assert!(!error.may_have_run());
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn messages_without_an_id_are_all_shown_and_none_is_acknowledged() {
    let (_client, mut events, mut peer, _stage) = client(Options::default(), Reply::Uid(7)).await;
    for msg_id in [0, 0, 61, 61, 0] {
        peer.say(Ok(Incoming::Shown(What::Message(message(msg_id, "hi")))));
    }
    for msg_id in [0, 0, 61, 0] {
        assert_eq!(next_message(&mut events).await, msg_id);
    }
    let asked = async {
        tokio::select! {
            event = events.next() => panic!("{event:?}"),
            command = peer.command() => command,
        }
    };
    assert_eq!(asked.await, Some(Command::Ack { msg_id: 61 }));
}
