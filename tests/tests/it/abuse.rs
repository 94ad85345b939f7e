//! Who misbehaves harms nobody else: two people talk on, and how long each message takes is printed beside
//! how long it takes without. The figures are for people to look at: how much is asked for here depends on
//! what else the machine does, and only that all arrives is a matter of a test.

use std::time::Duration;

use mpim_tests::{
    FramesClient, Layout, Person, Service, Stack, TextClient, WebSocketClient, register_two,
};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::interval;

/// Messages of one measurement, and the time between two.
const MESSAGES: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);
/// Connections of each kind of misbehaviour.
const CROWD: usize = 100;

/// Begins a misbehaviour.
type Begin = fn(&Stack, &mut JoinSet<()>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_talk_on_while_some_misbehave() {
    let stack = Stack::builder(Layout::Embedded)
        .set(Service::User, "password.memory_kib", 64)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let alone = talk(&mut ada, &mut bob).await;
    print("alone", alone, alone);
    let mut crowd = JoinSet::new();
    let kinds: [(&str, Begin); 3] = [
        ("slow heads and lines", slow),
        ("bad requests without end", flood),
        ("connections without end", reconnects),
    ];
    for (what, begin) in kinds {
        begin(&stack, &mut crowd);
        let took = talk(&mut ada, &mut bob).await;
        crowd.shutdown().await;
        print(what, took, alone);
    }
}

/// The median and the 99th percentile from sending to being shown, each from when it was due.
async fn talk(ada: &mut Person, bob: &mut Person) -> (Duration, Duration) {
    let mut due = interval(PAUSE);
    let mut took = Vec::with_capacity(MESSAGES);
    for n in 0..MESSAGES {
        let begun = due.tick().await;
        let id = ada.send(bob.uid, &n.to_string()).await;
        assert_eq!(bob.client.push().await.id, id);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    (took[MESSAGES / 2], took[MESSAGES * 99 / 100])
}

fn print(what: &str, (p50, p99): (Duration, Duration), (_, alone): (Duration, Duration)) {
    let times = p99.as_secs_f64() / alone.as_secs_f64();
    println!("{what}: p50 {p50:.1?}, p99 {p99:.1?}, {times:.2} times that of nobody else");
}

/// Heads, lines, frames and handshakes that never end, a byte at a time; and clients that read nothing of
/// what they ask for.
fn slow(stack: &Stack, crowd: &mut JoinSet<()>) {
    let begun: [(_, &[u8]); 3] = [
        (stack.http_address(), b"GET /api/me HTTP/1.1\r\nhost: x\r\nx-slow: "),
        (stack.text_address(), b"LOGIN somebody "),
        (stack.frames_address(), &[0, 0, 255, 0, 3, 233, 1, 0]),
    ];
    for n in 0..CROWD {
        let (address, first) = begun[n % begun.len()];
        let first = first.to_vec();
        crowd.spawn(async move {
            loop {
                let Ok(mut stream) = TcpStream::connect(address).await else { continue };
                let mut drip = interval(Duration::from_millis(50));
                let mut alive = stream.write_all(&first).await.is_ok();
                while alive {
                    drip.tick().await;
                    alive = stream.write_all(b"x").await.is_ok();
                }
            }
        });
    }
    let address = stack.http_address();
    for _ in 0..10 {
        crowd.spawn(async move {
            let Ok(mut stream) = TcpStream::connect(address).await else { return };
            let asked = b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
            // What it asks for fills all buffers between them, and it reads nothing of it.
            let _ = stream.write_all(&asked).await;
            std::future::pending::<()>().await;
        });
    }
}

/// Requests that are refused, as fast as they are answered.
fn flood(stack: &Stack, crowd: &mut JoinSet<()>) {
    let (text, frames) = (stack.text_address(), stack.frames_address());
    for _ in 0..4 {
        crowd.spawn(async move {
            let mut client = TextClient::connect(text).await;
            loop {
                client.ask("SEND 1 not logged in").await;
            }
        });
        crowd.spawn(async move {
            loop {
                let mut client = FramesClient::connect(frames).await;
                for _ in 0..30 {
                    client.ask(4001, json!({"op": "friends"})).await;
                }
            }
        });
    }
}

/// Whoever was cut off and comes back at once, for ever.
fn reconnects(stack: &Stack, crowd: &mut JoinSet<()>) {
    let (text, http) = (stack.text_address(), stack.http_address());
    for n in 0..8 {
        crowd.spawn(async move {
            let mut again = interval(Duration::from_millis(5));
            loop {
                again.tick().await;
                match n % 2 {
                    0 => drop(TextClient::connect(text).await),
                    _ => drop(WebSocketClient::connect(http).await),
                }
            }
        });
    }
}
