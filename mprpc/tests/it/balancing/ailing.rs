//! Instances that refuse, that hang, that were idle: who gets their calls.

use std::time::Duration;

use mprpc::local::Partition;
use mprpc::{Balance, Code, Context};
use mprpc_examples::{EchoReq, FailReq};

use tokio::time::Instant;

use super::fleet::Fleet;
use crate::support::{echo_req, soon};

const MS: Duration = Duration::from_millis(1);

fn patient() -> Context {
    Context::with_timeout(Duration::from_secs(3600))
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_refuses_all_calls_at_once_does_not_draw_them() {
    for code in [
        Code::Unimplemented,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Cancelled,
        Code::Unknown,
        Code::Internal,
    ] {
        let fleet = Fleet::new(["broken", "well"]).await;
        fleet.network.latency("broken", MS);
        fleet.network.latency("well", 5 * MS);
        fleet.list_all();
        fleet.fails_with("broken", Some(code));
        let client = fleet.client(|builder| builder);
        let calls = fleet.calls(&client, 1_000).await;
        assert!(calls["broken"] < 20, "{code}: {calls:?}");

        fleet.fails_with("broken", None);
        tokio::time::sleep(Duration::from_secs(15)).await;
        let calls = fleet.calls(&client, 1_000).await;
        assert!(calls["broken"] > 900, "{code}: it is the faster one now: {calls:?}");
    }
}

/// Otherwise a single user whose token has run out could send all the others' calls to one instance.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_now_and_then_drives_nobody_elses_away() {
    let fleet = Fleet::new(["a", "b"]).await;
    for name in ["a", "b"] {
        fleet.network.latency(name, MS);
    }
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    fleet.calls(&client, 100).await;
    for code in [Code::Unauthenticated, Code::PermissionDenied, Code::NotFound] {
        for _ in 0..10 {
            let refused = FailReq { code: code as u32, message: String::new() };
            assert_eq!(client.fail(&soon(), refused).await.unwrap_err().code(), code);
            let calls = fleet.calls(&client, 200).await;
            assert!(calls.len() == 2 && calls.values().all(|calls| *calls > 50), "{calls:?}");
        }
    }
}

/// Nothing of it has reached an instance.
#[tokio::test(start_paused = true)]
async fn what_a_caller_is_refused_before_it_is_sent_drives_nobody_elses_calls_away() {
    let fleet = Fleet::new(["a", "b"]).await;
    for name in ["a", "b"] {
        fleet.network.latency(name, MS);
    }
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    fleet.calls(&client, 100).await;
    let long = || EchoReq { payload: vec![0; 5 * 1024 * 1024].into() };
    for _ in 0..5 {
        let status = client.echo(&soon(), long()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let calls = fleet.calls(&client, 200).await;
        assert!(calls.len() == 2 && calls.values().all(|calls| *calls > 50), "{calls:?}");

        let (mut requests, _answers) = client.chat(&soon()).await.unwrap();
        let status = requests.send(long()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let calls = fleet.calls(&client, 200).await;
        assert!(calls.len() == 2 && calls.values().all(|calls| *calls > 50), "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_their_callers_give_up_drive_nobody_elses_calls_away() {
    let fleet = Fleet::new(["a", "b"]).await;
    for name in ["a", "b"] {
        fleet.network.latency(name, MS);
    }
    fleet.list([("a", 100)]);
    let client = fleet.client(|builder| builder);
    fleet.calls(&client, 100).await;
    for _ in 0..10 {
        let (requests, mut answers) = client.chat(&soon()).await.unwrap();
        drop(requests);
        assert_eq!(answers.next().await.unwrap_err().code(), Code::Cancelled);
    }
    fleet.list_all();
    fleet.calls(&client, 10).await;
    let calls = fleet.calls(&client, 200).await;
    assert!(calls.len() == 2 && calls.values().all(|calls| *calls > 50), "{calls:?}");
}

/// It still answers pings, so that only its calls tell.
#[tokio::test(start_paused = true)]
async fn an_instance_whose_calls_hang_until_far_deadlines_gets_no_more_of_them_than_others() {
    let fleet = Fleet::new(["hangs", "well"]).await;
    fleet.network.latency("hangs", 5 * MS);
    fleet.network.latency("well", 5 * MS);
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    fleet.calls(&client, 200).await;
    fleet.hangs("hangs");
    fleet.forget();
    // One each millisecond, whatever becomes of those before: some ten are in flight.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8_000 {
        tokio::time::sleep(MS).await;
        let client = client.clone();
        calls.spawn(async move { client.echo(&patient(), echo_req("x")).await });
    }
    let calls = fleet.seen();
    assert!(calls["hangs"] < 50, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_on_which_nothing_moves_keep_no_other_calls_away_and_are_spread_themselves() {
    let fleet = Fleet::new(["a", "b"]).await;
    for name in ["a", "b"] {
        fleet.network.latency(name, MS);
    }
    let client = fleet.client(|builder| builder);
    let open = async || {
        let mut chat = client.chat(&patient()).await.unwrap();
        chat.0.send(EchoReq { payload: "x".into() }).await.unwrap();
        chat.1.next().await.unwrap().unwrap();
        chat
    };
    let mut streams = Vec::new();
    fleet.list([("a", 100)]);
    for _ in 0..40 {
        streams.push(open().await);
    }
    fleet.list([("a", 100), ("b", 100)]);
    fleet.calls(&client, 100).await;
    let calls = fleet.calls(&client, 400).await;
    assert!(calls.values().all(|calls| (120..280).contains(calls)), "{calls:?}");

    fleet.forget();
    for _ in 0..40 {
        streams.push(open().await);
    }
    let opened = fleet.seen();
    assert!(opened["b"] >= 30, "{opened:?}");
}

#[tokio::test(start_paused = true)]
async fn instances_that_nobody_called_for_long_share_by_weight() {
    let fleet = Fleet::new(["light", "heavy"]).await;
    for name in ["light", "heavy"] {
        fleet.network.latency(name, MS);
    }
    fleet.list([("light", 100), ("heavy", 300)]);
    let client = fleet.client(|builder| {
        let hour = Duration::from_secs(3600);
        builder.idle_timeout(hour).keepalive(hour)
    });
    fleet.calls(&client, 200).await;
    fleet.forget();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(150)).await;
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    let calls = fleet.seen();
    assert!((10..50).contains(&calls["light"]), "{calls:?}");
}

/// Packets to it are lost, say: nothing refuses a connection, and none is ever there.
#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_even_be_connected_to_keeps_no_call_for_long() {
    for balance in [Balance::p2c_ewma(), Balance::round_robin(), Balance::least_requests()] {
        let fleet = Fleet::new(["hole", "well"]).await;
        fleet.network.partition("hole", Partition::Both);
        fleet.list_all();
        let client = fleet.client(|builder| builder.balance(balance.clone()));
        let began = Instant::now();
        for _ in 0..50 {
            let cx = Context::with_timeout(500 * MS);
            client.echo(&cx, echo_req("x")).await.expect("the other one is well");
        }
        assert!(began.elapsed() <= 350 * MS, "{:?}", began.elapsed());
        // Where there is no other, calls have all the time that there is.
        fleet.list([("hole", 100)]);
        tokio::time::sleep(MS).await;
        let healed = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            fleet.network.heal("hole");
        };
        let cx = soon();
        let (answer, ()) = tokio::join!(client.echo(&cx, echo_req("x")), healed);
        answer.expect("it is waited for");
    }
}
