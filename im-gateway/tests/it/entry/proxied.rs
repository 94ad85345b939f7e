//! Clients that a proxy brings, and what others say who are none.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{certificate::Authority, rest, says};
use crate::frames::frame;
use crate::system::System;
use crate::web_socket::WebSocket;

const GET: &str = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

/// The status of a request with these lines in its head, behind `header`.
async fn status(addr: SocketAddr, header: &str, lines: &str) -> String {
    let told = rest(says(addr, format!("{header}{GET}{lines}\r\n").as_bytes()).await).await;
    told.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A gateway where each address may ask once a second, but for this machine's.
async fn strict(trusted: &str, proxy: bool) -> System {
    let trusted = trusted.to_owned();
    System::with(move |config| {
        config.proxy.trusted = vec![trusted];
        config.proxy.header_timeout_ms = 300;
        config.http.address_requests_per_s = 1;
        (config.text.proxy, config.frames.proxy, config.http.proxy) = (proxy, proxy, proxy);
    })
    .await
}

/// So often that an address which counts is refused, wherever a second begins.
async fn is_counted(addr: SocketAddr, header: &str, lines: &str) -> bool {
    for _ in 0..8 {
        if status(addr, header, lines).await == "429" {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_from_where_requests_come() {
    let system = strict("127.0.0.1", false).await;
    let from = "x-forwarded-for: 127.0.0.9, 192.0.2.7\r\n";
    assert!(is_counted(system.http, "", from).await);
    assert_eq!(status(system.http, "", "x-forwarded-for: 192.0.2.8\r\n").await, "200");
    // A page is many files.
    for _ in 0..8 {
        let file = "GET /core/store.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        let told = rest(says(system.http, format!("{file}{from}\r\n").as_bytes()).await).await;
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    }
    // Without a proxy before it, this machine is not counted.
    assert!(!is_counted(system.http, "", "").await);
}

/// Whoever guesses at passwords waits at their own address, and not at that of the proxy.
#[tokio::test]
async fn im_user_is_told_from_where_a_password_comes() {
    let system = System::with(|config| {
        config.proxy.trusted = vec!["127.0.0.1".to_owned()];
        (config.text.proxy, config.frames.proxy) = (true, true);
    })
    .await;
    let told = async |from: &str| {
        system.until(from, |state| state.came_from.iter().any(|it| it == from)).await;
    };
    let proxied = |from: &str| format!("PROXY TCP4 {from} 127.0.0.1 4711 6000\r\n");
    let ada = json!({"username": "ada", "password": "password"});
    let line = format!("{}REGISTER ada password\nLOGIN ada password\n", proxied("192.0.2.1"));
    let _text = says(system.addr, line.as_bytes()).await;
    told("192.0.2.1").await;
    let bytes = [proxied("192.0.2.2").as_bytes(), &frame(1001, &ada)].concat();
    let _frames = says(system.frames(), &bytes).await;
    told("192.0.2.2").await;
    let mut socket = WebSocket::connect_with(&system, "x-forwarded-for: 192.0.2.3\r\n").await;
    system.fakes.state().log_in_id = "0123456789abcdef0123456789abcdef".to_owned();
    socket.ask(1001, &ada).await;
    socket.ask(1009, &json!({"old": "password", "new": "password"})).await;
    let from: Vec<_> = system.fakes.state().came_from.drain(..).collect();
    let [before @ .., log_in, change] = &from[..] else { panic!("{from:?}") };
    assert_eq!([log_in, change], ["192.0.2.3"; 2]);
    assert_eq!(before.iter().filter(|it| *it == "192.0.2.1").count(), 2, "{from:?}");
    let body = ada.to_string();
    for path in ["/api/register", "/api/login"] {
        let request = post(path, "x-forwarded-for: 2001:db8::4\r\n", &body);
        rest(says(system.http, request.as_bytes()).await).await;
    }
    assert_eq!(system.fakes.state().came_from, ["2001:db8::4"; 2]);
}

#[tokio::test]
async fn what_others_say_of_where_they_come_from_is_not_believed() {
    let system = strict("10.0.0.0/8", false).await;
    assert!(!is_counted(system.http, "", "x-forwarded-for: 192.0.2.7\r\n").await);
    let secure = "x-forwarded-proto: https\r\n";
    assert!(!cookie(&system, secure).await.contains("Secure"));
    let told = rest(says(system.http, b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n\r\n").await).await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
}

#[tokio::test]
async fn cookies_of_those_who_came_over_tls_stay_there() {
    let system = strict("127.0.0.1", false).await;
    let kept = cookie(&system, "x-forwarded-proto: https\r\n").await;
    assert!(kept.contains("__Host-mpim_refresh=") && kept.contains("; Secure;"), "{kept}");
    let kept = cookie(&system, "").await;
    assert!(kept.contains(" mpim_refresh=") && !kept.contains("Secure"), "{kept}");
    // It is found by the name that it was given.
    for (name, lines, expected) in [
        ("__Host-mpim_refresh", "x-forwarded-proto: https\r\n", "200"),
        ("mpim_refresh", "x-forwarded-proto: https\r\n", "401"),
    ] {
        let request = format!(
            "POST /api/refresh HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\
             cookie: {name}=refresh-ada\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        let told = rest(says(system.http, request.as_bytes()).await).await;
        assert_eq!(told.split(' ').nth(1), Some(expected), "{told}");
    }
}

#[tokio::test]
async fn cookies_go_over_tls_alone_where_it_is_said_that_all_do() {
    let system =
        System::with(|config| config.http.secure_cookie = im_gateway::SecureCookie::Always).await;
    let kept = cookie(&system, "").await;
    assert!(kept.contains("__Host-mpim_refresh=") && kept.contains("; Secure;"), "{kept}");
}

fn post(path: &str, lines: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The cookie of a log-in.
async fn cookie(system: &System, lines: &str) -> String {
    let body = r#"{"username":"ada","password":"password","cookie":true}"#;
    let mut told = String::new();
    for path in ["/api/register", "/api/login"] {
        let request = post(path, lines, body);
        told = rest(says(system.http, request.as_bytes()).await).await;
    }
    let line = told.lines().find(|line| line.to_lowercase().starts_with("set-cookie:"));
    line.unwrap_or_else(|| panic!("no cookie: {told}")).to_owned()
}

#[tokio::test]
async fn a_listener_behind_a_proxy_takes_those_whom_it_brings_and_nobody_else() {
    let system = strict("127.0.0.1", true).await;
    let v1 = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 8080\r\n";
    assert!(is_counted(system.http, v1, "").await);
    let v2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x7f\0\0\x01\x12\x67\x17\x70LOGOUT\n";
    let welcome = "+OK welcome. Commands: REGISTER/LOGIN/SEND/PULL\n-ERR not login\n";
    for header in [&v2[..], b"PROXY UNKNOWN\r\nLOGOUT\n"] {
        let mut client = says(system.addr, header).await;
        client.shutdown().await.unwrap();
        assert_eq!(rest(client).await, welcome);
    }
    // One that brings nobody, one that says nothing, and one that begins and does not go on.
    for bytes in [&b"LOGIN ada password\n"[..], b"", b"PROXY TCP4 192."] {
        assert_eq!(rest(says(system.addr, bytes).await).await, "", "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn a_stranger_s_proxy_header_is_refused_where_one_is_asked_for() {
    let system = strict("10.0.0.0/8", true).await;
    for addr in [system.addr, system.frames(), system.http] {
        let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 8080\r\n";
        assert_eq!(rest(says(addr, header).await).await, "");
    }
}

#[tokio::test]
async fn the_header_of_a_proxy_stands_before_tls() {
    let authority = Authority::new();
    let files = authority.files();
    let (cert_file, key_file) = (files.cert.clone(), files.key.clone());
    let system = System::with(move |config| {
        (config.tls.cert_file, config.tls.key_file) = (cert_file, key_file);
        config.proxy.trusted = vec!["127.0.0.1".to_owned()];
        (config.text.tls, config.text.proxy) = (true, true);
    })
    .await;
    let stream = says(system.addr, b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 6000\r\n").await;
    let mut client = authority.connect_over(stream).await.unwrap();
    client.write_all(b"LOGOUT\n").await.unwrap();
    client.shutdown().await.unwrap();
    assert!(rest(client).await.ends_with("-ERR not login\n"));
}
