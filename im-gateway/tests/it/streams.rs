//! Pushes that come over a stream in Redis.

use std::time::Duration;

use mpim_proto::push::Content;
use mpim_proto::{Entry, PUSH_STREAM_FIELD, Push, PushReq, push_stream_name};
use prost::Message as _;
use redis::aio::MultiplexedConnection;
use test_servers::PrivateRedis;

use crate::client::SOON;
use crate::system::System;

const CONV: &str = "c2c_1_2";

struct Streaming {
    system: System,
    server: PrivateRedis,
    connection: MultiplexedConnection,
}

impl Streaming {
    async fn start() -> Option<Self> {
        let server = PrivateRedis::start().await?;
        let url = server.server().url();
        let system = System::with(|config| {
            config.redis.queue_url = url.parse().unwrap();
            config.redis.shared.response_timeout_ms = 500;
        })
        .await;
        let connection = connect(&url).await;
        Some(Self { system, server, connection })
    }

    async fn append(&mut self, field: &str, value: Vec<u8>) {
        let key = format!("mpim:{}", push_stream_name(&self.system.boot_id()));
        let mut append = redis::cmd("XADD");
        append.arg(key).arg("*").arg(field).arg(value);
        append.query_async::<()>(&mut self.connection).await.unwrap();
    }

    async fn push(&mut self, number: u64, entries: &[&Entry]) {
        let pushes = entries.iter().map(|entry| Push {
            content: Some(Content::Entry(Entry::clone(entry))),
            recipients: vec![1],
            ..Push::default()
        });
        let request = PushReq {
            link_boot_id: "p".to_owned(),
            number,
            pushes: pushes.collect(),
            gateway_boot_id: self.system.boot_id(),
            ..PushReq::default()
        };
        self.append(PUSH_STREAM_FIELD, request.encode_to_vec()).await;
    }

    /// Waits until the gateway has read, and so removed, all but the last entry.
    async fn until_read(&mut self) {
        let key = format!("mpim:{}", push_stream_name(&self.system.boot_id()));
        let read = async {
            loop {
                let mut length = redis::cmd("XLEN");
                let length: u64 = length.arg(&key).query_async(&mut self.connection).await.unwrap();
                if length <= 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, read).await.expect("the stream is read");
    }
}

async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    test_servers::redis_connection(&client).await.unwrap()
}

#[tokio::test]
async fn entries_of_the_stream_are_shown_in_order_and_removed_when_they_were_read() {
    let Some(mut it) = Streaming::start().await else { return };
    let mut ada = it.system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for number in 1..=200 {
        let entry = it.system.store(CONV, 2, &format!("text {number}"));
        it.push(number, &[&entry]).await;
    }
    for (line, number) in ada.lines(200).await.iter().zip(1..) {
        assert!(line.ends_with(&format!("text=text {number}")), "{line}");
    }
    it.until_read().await;
}

#[tokio::test]
async fn a_number_that_is_missing_in_the_stream_makes_every_session_compare_heads() {
    let Some(mut it) = Streaming::start().await else { return };
    let mut ada = it.system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    it.system.store(CONV, 2, "trimmed");
    it.push(1, &[]).await;
    assert!(ada.line().await.ends_with("text=trimmed"));
}

#[tokio::test]
async fn an_entry_that_does_not_parse_is_skipped_and_heads_are_compared() {
    let Some(mut it) = Streaming::start().await else { return };
    let mut ada = it.system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    it.system.store(CONV, 2, "was it this one?");
    it.append(PUSH_STREAM_FIELD, vec![0xff]).await;
    it.append("something", b"else".to_vec()).await;
    assert!(ada.line().await.ends_with("text=was it this one?"));
    let entry = it.system.store(CONV, 2, "the next");
    it.push(1, &[&entry]).await;
    assert!(ada.line().await.ends_with("text=the next"));
}

#[tokio::test]
async fn after_redis_was_frozen_or_restarted_the_stream_is_read_on() {
    let Some(mut it) = Streaming::start().await else { return };
    let mut ada = it.system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    let mut number = 0;
    for fault in ["frozen", "restarted", "wiped"] {
        match fault {
            "frozen" => {
                it.server.pause();
                // Longer than the reader waits for an answer.
                tokio::time::sleep(Duration::from_millis(1_700)).await;
                it.server.resume();
            }
            "restarted" => {
                it.server.kill().await;
                it.server.start_again().await;
                it.connection = connect(&it.server.server().url()).await;
            }
            _ => redis::cmd("FLUSHALL").query_async::<()>(&mut it.connection).await.unwrap(),
        }
        number += 1;
        let entry = it.system.store(CONV, 2, fault);
        it.push(number, &[&entry]).await;
        assert!(ada.line().await.ends_with(&format!("text={fault}")));
    }
}

/// A Redis with another clock: its ids come before those that were read.
#[tokio::test]
async fn a_stream_that_begins_anew_with_older_ids_is_read_from_its_beginning() {
    let Some(mut it) = Streaming::start().await else { return };
    let mut ada = it.system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    let entry = it.system.store(CONV, 2, "first");
    it.push(1, &[&entry]).await;
    assert!(ada.line().await.ends_with("text=first"));
    redis::cmd("FLUSHALL").query_async::<()>(&mut it.connection).await.unwrap();
    let entry = it.system.store(CONV, 2, "older");
    let request = PushReq {
        link_boot_id: "p".to_owned(),
        number: 2,
        pushes: vec![Push {
            content: Some(Content::Entry(entry)),
            recipients: vec![1],
            ..Push::default()
        }],
        gateway_boot_id: it.system.boot_id(),
        ..PushReq::default()
    };
    let key = format!("mpim:{}", push_stream_name(&it.system.boot_id()));
    let mut append = redis::cmd("XADD");
    append.arg(key).arg("1-1").arg(PUSH_STREAM_FIELD).arg(request.encode_to_vec());
    append.query_async::<()>(&mut it.connection).await.unwrap();
    assert!(ada.line().await.ends_with("text=older"));
}
