//! Bad input: one clear refusal each, in our own form.

use serde_json::Value;

use super::{answer, exchange};
use crate::system::System;

const JSON: &str = "content-type: application/json";
const ADA: &str = "authorization: Bearer token-ada";

#[tokio::test]
async fn every_route_that_is_not_open_wants_a_good_token() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let document = system.get("", "/api/openapi.json").await.body;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("security").is_some() {
                continue;
            }
            let path = path.replace("{peer}", "1").replace("{uid}", "1").replace("{gid}", "1");
            let path = path.replace("{name}", "text");
            let method = method.to_uppercase();
            let nobody = system.request(&method, &path, &[JSON], b"{}").await;
            assert_eq!(nobody.refusal(), (401, 3001, "not login"), "{method} {path}");
            assert_eq!(nobody.header("www-authenticate"), "Bearer");
            for bad in ["Bearer nonsense", "Basic token-ada", "Bearer", "Bearer token-ada x"] {
                let bad = format!("authorization: {bad}");
                let refused = system.request(&method, &path, &[JSON, &bad], b"{}").await;
                assert_eq!(refused.refusal(), (401, 1004, "invalid token"), "{method} {path}");
            }
            let twice = system.request(&method, &path, &[JSON, ADA, ADA], b"{}").await;
            assert_eq!(twice.refusal().1, 1004, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked >= 20, "{asked}");
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_refused() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    system.fakes.state().token_time = Some("token expired");
    assert_eq!(system.get("ada", "/api/me").await.refusal(), (401, 1005, "token expired"));
    system.fakes.state().worthless.insert("token-ada".to_owned());
    assert_eq!(system.get("ada", "/api/me").await.refusal(), (401, 1004, "invalid token"));
}

#[tokio::test]
async fn an_unknown_address_is_404_and_another_method_405_with_those_there_are() {
    let system = System::start().await;
    for path in ["/api/nothing", "/api", "/api/friends/1/2", "/etc/passwd", "/api/me/"] {
        assert_eq!(system.get("", path).await.refusal(), (404, 4002, "unknown cmd"), "{path}");
    }
    for (method, path, allowed) in [
        ("DELETE", "/api/me", "GET,HEAD"),
        ("GET", "/api/messages", "POST"),
        ("POST", "/api/friends/1", "PUT,DELETE"),
        ("OPTIONS", "/api/login", "POST"),
    ] {
        let refused = system.ask("", method, path, Value::Null).await;
        assert_eq!((refused.status, refused.header("allow")), (405, allowed), "{method} {path}");
        assert_eq!(refused.refusal().1, 4002);
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_one_it_should_be_is_refused() {
    let system = System::start().await;
    let login = async |lines: &[&str], body: &[u8]| {
        let refused = system.request("POST", "/api/login", lines, body).await;
        (refused.refusal().0, refused.refusal().1)
    };
    let good = br#"{"username":"ada","password":"password"}"#;
    assert_eq!(login(&[], good).await, (415, 4001));
    assert_eq!(login(&["content-type: text/plain"], good).await, (415, 4001));
    assert_eq!(
        login(&["content-type: application/x-www-form-urlencoded"], good).await,
        (415, 4001)
    );
    for bad in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"[\"ada\",\"password\",null]",
        b"{}",
        b"{\"username\":\"ada\"}",
        b"{\"username\":null,\"password\":\"password\"}",
        b"{\"username\":7,\"password\":\"password\"}",
        b"{\"username\":\"\xff\",\"password\":\"password\"}",
        b"{\"username\":\"\\ud800\",\"password\":\"password\"}",
    ] {
        assert_eq!(login(&[JSON], bad).await, (400, 4001), "{}", String::from_utf8_lossy(bad));
    }
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(login(&[JSON], deep.as_bytes()).await, (400, 4001));
    // It is read, and then the credentials are bad.
    let unknown = br#"{"username":"x","username":"ada","password":"password","more":[{}]}"#;
    assert_eq!(login(&[JSON], unknown).await, (401, 1002));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_whether_or_not_it_says_so() {
    let system = System::with(|config| config.http.body_bytes_max = 1_024).await;
    let long = vec![b' '; 1_025];
    let refused = system.request("POST", "/api/login", &[JSON], &long).await;
    assert_eq!(refused.refusal(), (413, 2003, "too big"));
    let claimed = b"POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        content-length: 4294967295\r\n\r\n";
    assert_eq!(answer(&exchange(system.http, claimed).await).status, 413);
    let head = "POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1_024));
    let chunked = format!("{head}{chunk}{chunk}0\r\n\r\n");
    let refused = answer(&exchange(system.http, chunked.as_bytes()).await);
    assert_eq!(refused.refusal(), (413, 2003, "too big"));
}

#[tokio::test]
async fn the_request_s_name_is_the_caller_s_or_a_new_one() {
    let system = System::start().await;
    let named = system.request("GET", "/api/me", &["x-request-id: a-1"], b"").await;
    assert_eq!(named.body["request_id"], "a-1");
    let named = system.request("GET", "/api/me", &["x-request-id: a b"], b"").await;
    assert_eq!(named.refusal().0, 401);
    assert_eq!(named.body["request_id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn nothing_of_a_password_is_in_a_refusal() {
    let system = System::start().await;
    for body in [
        r#"{"username":"ada","password":["70707070"]}"#,
        r#"{"username":"ada","password":70707070}"#,
        r#"{"username":"ada","password":"x","cookie":"70707070"}"#,
        r#"{"username":"ada","password":"x","cookie":", expected 70707070"}"#,
        r#"{"username":"ada","password":"70707070"#,
    ] {
        let refused = system.request("POST", "/api/login", &[JSON], body.as_bytes()).await;
        assert_eq!(refused.refusal().0, 400, "{body}");
        assert!(!format!("{refused:?}").contains("7070"), "{refused:?}");
    }
}
