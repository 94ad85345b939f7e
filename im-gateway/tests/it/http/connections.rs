//! Connections: who gets in, who is cut off, and that what one sends is never taken for two.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use super::{answer, exchange};
use crate::client::SOON;
use crate::fakes::{Asked, Fault};
use crate::system::System;

/// A request after which nothing comes.
const LAST: &str = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
/// A request that would be served if what precedes it were one request.
const SMUGGLED: &str = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn what_is_smuggled_behind_a_request_is_not_served() {
    let system = System::start().await;
    let json = "host: x\r\ncontent-type: application/json\r\n";
    let length = SMUGGLED.len() + 5;
    for (what, head, body) in [
        (
            "length and chunks",
            format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            "chunks and length",
            format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
            "0\r\n\r\n",
        ),
        ("two lengths", format!("content-length: 0\r\ncontent-length: {length}\r\n"), ""),
        ("a list of lengths", format!("content-length: 0, {length}\r\n"), ""),
        ("a length with a sign", format!("content-length: +{length}\r\n"), ""),
        (
            "chunks that are not the last coding",
            "transfer-encoding: chunked, gzip\r\n".to_owned(),
            "",
        ),
        ("an unknown coding", "transfer-encoding: xchunked\r\n".to_owned(), ""),
        ("a space before the colon", "transfer-encoding : chunked\r\n".to_owned(), ""),
    ] {
        let request = format!("POST /api/login HTTP/1.1\r\n{json}{head}\r\n{body}{SMUGGLED}");
        let answers = exchange(system.http, request.as_bytes()).await;
        let served = answers.matches("HTTP/1.1 ").count();
        assert!(served == 1 && answers.starts_with("HTTP/1.1 4"), "{what}: {answers}");
        assert!(!answers.contains("openapi"), "{what}: {answers}");
    }
    let old = format!("POST /api/login HTTP/1.0\r\n{json}transfer-encoding: chunked\r\n\r\n");
    let answers = exchange(system.http, format!("{old}0\r\n\r\n{SMUGGLED}").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.").count(), 1, "{answers}");
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let system = System::start().await;
    let answers = exchange(system.http, format!("{SMUGGLED}{LAST}").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn a_head_that_never_ends_and_a_silent_client_are_cut_off() {
    let system = System::with(|config| config.http.head_timeout_ms = 50).await;
    for begun in [&b""[..], b"GET /api/me HTTP/1.1\r\nhost: x\r\nx: "] {
        let answers = exchange(system.http, begun).await;
        assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 4"), "{answers}");
    }
    // So is one that was served and says nothing more.
    let system = System::with(|config| config.http.head_timeout_ms = 1_000).await;
    let answers = exchange(system.http, SMUGGLED.as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1);
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off_with_a_word() {
    let system = System::with(|config| config.http.body_timeout_ms = 50).await;
    let begun = b"POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        content-length: 100\r\n\r\n{";
    let refused = answer(&exchange(system.http, begun).await);
    assert_eq!((refused.refusal().0, refused.header("connection")), (408, "close"));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let system = System::start().await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(64 << 10));
    let answers = exchange(system.http, long.as_bytes()).await;
    assert!(answers.starts_with("HTTP/1.1 431 "), "{answers}");
}

#[tokio::test]
async fn what_takes_too_long_is_answered_all_the_same() {
    let system = System::with(|config| config.http.timeout_ms = 50).await;
    system.fakes.state().has_user("ada");
    system.fakes.fault("list_conversations", Fault::Waits(Semaphore::new(0).into()));
    let refused = system.get("ada", "/api/conversations").await;
    assert_eq!(refused.refusal(), (503, 5003, "unavailable, try again"));
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let system = System::with(|config| config.http.user_requests_per_s = 1).await;
    system.people(&["ada", "bob"]).await;
    // However slow this machine is, they do not take a second each.
    let asked = (0..20).map(|_| system.get("ada", "/api/me"));
    let answers = futures_util::future::join_all(asked).await;
    answers.iter().find(|answer| answer.status == 200).expect("one is answered").data();
    let refused = answers.iter().find(|answer| answer.status != 200).expect("others are not");
    assert_eq!(refused.refusal(), (429, 5003, "slow down"));
    assert_eq!(refused.header("retry-after"), "1");
    assert!((1..=1_000).contains(&refused.body["retry_after_ms"].as_u64().unwrap()));
    system.get("bob", "/api/me").await.data();
}

#[tokio::test]
async fn who_has_guessed_too_often_is_told_when_to_come_back() {
    let system = System::start().await;
    system.fakes.make_wait(1_001);
    let ada = serde_json::json!({"username": "ada", "password": "guess"});
    let refused = system.ask("", "POST", "/api/login", ada).await;
    assert_eq!(refused.refusal(), (429, 5003, "auth too many attempts"));
    assert_eq!(refused.header("retry-after"), "2");
    assert_eq!(refused.body["retry_after_ms"], 1_001);
}

#[tokio::test]
async fn what_a_session_may_send_and_signal_in_a_second_is_all_over_http_too() {
    let system = System::with(|config| {
        (config.session.messages_per_s, config.session.signals_per_s) = (1, 1);
    })
    .await;
    system.people(&["ada", "bob"]).await;
    let message = serde_json::json!({"to_user_id": 2, "content": "x"});
    for (path, body) in
        [("/api/messages", message), ("/api/conversations/2/typing", serde_json::Value::Null)]
    {
        // However slow this machine is, they do not take a second each.
        let asked = (0..20).map(|_| system.ask("ada", "POST", path, body.clone()));
        let answers = futures_util::future::join_all(asked).await;
        answers.iter().find(|answer| answer.status == 200).expect("one is done").data();
        let refused = answers.iter().find(|answer| answer.status != 200).expect("others are not");
        assert_eq!(refused.refusal(), (429, 5003, "slow down"), "{path}");
    }
}

#[tokio::test]
async fn tokens_of_requests_are_looked_at_only_so_many_at_a_time() {
    let system = System::with(|config| {
        (config.calls.tokens_max, config.calls.timeout_ms) = (1, 600_000);
    })
    .await;
    system.people(&["ada"]).await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("verify_token", Fault::Waits(Arc::clone(&gate)));
    let asked = futures_util::future::join_all((0..5).map(|_| system.get("ada", "/api/me")));
    let looked = async {
        for number in 1..=5 {
            system.until("one is looked at", |state| state.waited.len() >= number).await;
            assert_eq!(system.fakes.state().waited.len(), number);
            gate.add_permits(1);
        }
    };
    let (answers, ()) = tokio::join!(asked, looked);
    for answer in answers {
        answer.data();
    }
}

/// Asks, and has gone away for good once the gateway knows: an end of the input is all that it is told.
async fn ask_and_go(system: &System, request: &str, operation: &'static str) {
    let mut stream = TcpStream::connect(system.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    system.until("it is under way", |state| state.waited.contains(&operation)).await;
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
    let _ = ended.await.expect("an end in time");
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn whoever_goes_away_meanwhile_is_logged_out_all_the_same() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let head = "host: x\r\nauthorization: Bearer token-ada\r\ncontent-type: application/json\r\n";
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
    };
    let gate = Arc::new(Semaphore::new(0));
    for operation in ["refresh", "change_password", "logout"] {
        system.fakes.fault(operation, Fault::Waits(Arc::clone(&gate)));
    }
    let refresh = post("/api/refresh", r#"{"refresh_token":"refresh-ada"}"#);
    ask_and_go(&system, &refresh, "refresh").await;
    let change = post("/api/password", r#"{"old":"password","new":"another"}"#);
    ask_and_go(&system, &change, "change_password").await;
    ask_and_go(&system, &post("/api/logout", ""), "logout").await;
    gate.add_permits(3);
    system.until("refreshed", |state| state.worthless.contains("refresh-ada")).await;
    let revoked = Asked::Revoke("token-ada".to_owned());
    system.until("logged out", |state| state.asked.contains(&revoked)).await;
    system.until("changed", |state| state.has_password("ada", "another")).await;
}

/// It takes something again and again, and so it is never silent.
#[tokio::test]
async fn a_client_that_takes_its_answer_by_drops_does_not_keep_its_place() {
    let system = System::with(|config| {
        config.http.connections_max = 1;
        config.http.answer_timeout_ms = 300;
        (config.http.stalled_ms, config.http.head_timeout_ms) = (3_600_000, 600_000);
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut slow = socket.connect(system.http).await.unwrap();
    // 30 MB: more than this machine's kernel keeps for two.
    let asked = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
    slow.write_all(asked.as_bytes()).await.unwrap();
    let cut_off = async {
        loop {
            // At the end it may be reset.
            let _ = slow.read_u8().await;
            let answer = exchange(system.http, LAST.as_bytes()).await;
            if answer.starts_with("HTTP/1.1 200 ") {
                break;
            }
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
    };
    tokio::time::timeout(SOON, cut_off).await.expect("its place is given back");
}

#[tokio::test]
async fn a_full_server_says_so_politely() {
    let system = System::with(|config| config.http.connections_max = 1).await;
    let mut first = TcpStream::connect(system.http).await.unwrap();
    first.write_all(SMUGGLED.as_bytes()).await.unwrap();
    assert!(first.read(&mut [0; 16]).await.unwrap() > 0, "it has the place");
    let refused = answer(&exchange(system.http, SMUGGLED.as_bytes()).await);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(
        (&refused.body["code"], &refused.body["message"]),
        (&5003.into(), &"server full".into())
    );
}

#[tokio::test]
async fn what_is_being_answered_at_the_shutdown_is_answered() {
    let deps = im_common::Deps::default();
    let shutdown = deps.shutdown.clone();
    let system = System::with_services(|config, _| config.closing.drain_ms = 60_000, deps).await;
    system.people(&["ada", "bob"]).await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    let body = r#"{"to_user_id":2,"content":"last"}"#;
    let request = format!(
        "POST /api/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token-ada\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(system.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let sends = |asked: &Asked| matches!(asked, Asked::Send { .. });
    system.until("the message is being sent", |state| state.asked.iter().any(sends)).await;
    shutdown.trigger();
    let refused = async {
        while TcpStream::connect(system.http).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("nobody new gets in");
    gate.add_permits(9);
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200 OK"), "{answered}");
}
