//! The HTTP API, byte by byte: a client that hides nothing.

mod alike;
mod connections;
mod contract;
mod input;
mod routes;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::SOON;
use crate::system::System;

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    /// The value of a header; empty without it.
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        });
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    /// The data of what was done.
    #[track_caller]
    fn data(&self) -> &Value {
        assert_eq!((self.status, &self.body["code"]), (200, &Value::from(0)), "{self:?}");
        assert_eq!(self.body["message"], "success");
        &self.body["data"]
    }

    /// Status, code and words of what was refused.
    #[track_caller]
    fn refusal(&self) -> (u16, u64, &str) {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        let request_id = self.body["request_id"].as_str().expect("a refusal names the request");
        assert_eq!(self.header("x-request-id"), request_id);
        assert!(self.body["data"].is_null() && self.body["status"].is_string(), "{self:?}");
        let words = self.body["message"].as_str().unwrap();
        (self.status, self.body["code"].as_u64().unwrap(), words)
    }
}

/// Sends these bytes and takes all answers until the connection is closed.
async fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answers = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answers));
    // A connection may be reset that was written to after its end.
    let _ = read.await.expect("an end in time");
    String::from_utf8(answers).unwrap()
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer { status, head: head.to_owned(), body }
}

impl System {
    /// Sends one request with these lines in its head.
    async fn request(&self, method: &str, path: &str, lines: &[&str], body: &[u8]) -> Answer {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for line in lines {
            bytes.push_str(line);
            bytes.push_str("\r\n");
        }
        if !body.is_empty() {
            bytes.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        bytes.push_str("\r\n");
        answer(&exchange(self.http, &[bytes.as_bytes(), body].concat()).await)
    }

    /// As the user of this name; `""`: as nobody. `null`: without a body.
    async fn ask(&self, name: &str, method: &str, path: &str, body: Value) -> Answer {
        let token = format!("authorization: Bearer token-{name}");
        let mut lines = Vec::new();
        if !name.is_empty() {
            lines.push(token.as_str());
        }
        if body.is_null() {
            return self.request(method, path, &lines, b"").await;
        }
        lines.push("content-type: application/json");
        self.request(method, path, &lines, body.to_string().as_bytes()).await
    }

    async fn get(&self, name: &str, path: &str) -> Answer {
        self.ask(name, "GET", path, Value::Null).await
    }

    /// Registers users over HTTP, from 1 on.
    async fn people(&self, names: &[&str]) {
        for name in names {
            let body = serde_json::json!({"username": name, "password": "password"});
            self.ask("", "POST", "/api/register", body).await.data();
        }
    }
}
