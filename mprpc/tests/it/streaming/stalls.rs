//! Streams that nobody reads any more, and those beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use mprpc::{Channel, Receiver, Sender};
use mprpc_examples::{EchoReq, EchoResp, ListReq, echo_service};
use tokio::time::timeout;

use super::scripted::Scripted;
use crate::support::{Running, SOON, echo_req, soon};

/// One connection, and what is held up on it.
struct Stalls {
    client: echo_service::Client,
    _server: Running,
    streams: Vec<(Sender<EchoReq>, Receiver<EchoResp>)>,
    /// By all handlers, in bytes, and what was read of it.
    sent: Arc<AtomicUsize>,
    read: usize,
}

impl Stalls {
    async fn none() -> Self {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        // The request is as long as each of the messages that it gets.
        let service = Scripted::new(move |mut requests, mut responses| {
            let count = Arc::clone(&count);
            async move {
                let payload = requests.next().await?.map_or(Bytes::new(), |first| first.payload);
                loop {
                    responses.send(EchoResp { payload: payload.clone() }).await?;
                    count.fetch_add(payload.len(), Ordering::SeqCst);
                }
            }
        });
        let server = service.serve().await;
        let target = format!("static://{}", server.address);
        let channel = Channel::builder(target).connections_max(1).build().unwrap();
        let client = echo_service::Client::new(&channel);
        Self { client, _server: server, streams: Vec::new(), sent, read: 0 }
    }

    /// Streams that stall after so many messages were read of each.
    async fn add(&mut self, streams: usize, bytes: usize, read: usize) {
        for _ in 0..streams {
            let (mut requests, mut responses) = self.client.chat(&soon()).await.unwrap();
            requests.send(EchoReq { payload: vec![0; bytes].into() }).await.unwrap();
            for _ in 0..read {
                responses.next().await.unwrap().expect("it has no end");
            }
            self.read += bytes * read;
            self.streams.push((requests, responses));
        }
    }

    /// The server has its turns until so many bytes were sent that nobody reads.
    async fn hold(&self, bytes: usize) {
        let until = async {
            while self.sent.load(Ordering::SeqCst) < self.read + bytes {
                self.client.echo(&soon(), echo_req("x")).await.unwrap();
            }
        };
        let held = timeout(SOON, until).await;
        assert!(held.is_ok(), "{:?} were sent and {} read", self.sent, self.read);
    }

    /// Another stream goes on beside them.
    async fn leave_room_for(&self, count: u32, size: u32) {
        let mut list = self.client.list(&soon(), ListReq { count, size }).await.unwrap();
        for at in 0..count {
            let message = list.next().await.unwrap_or_else(|why| panic!("{size} {at}: {why}"));
            assert!(message.is_some_and(|message| message.payload.len() == size as usize));
        }
        assert!(list.next().await.unwrap().is_none());
    }
}

/// Those that were read fast have large windows, and one message may be longer than any.
#[tokio::test]
async fn streams_that_stall_leave_room_for_others_whatever_they_carry() {
    let mut stalls = Stalls::none().await;
    stalls.add(20, 20_000, 150).await;
    stalls.add(8, 4_000_000, 0).await;
    stalls.add(100, 10_000, 0).await;
    stalls.hold(16_000_000).await;
    stalls.leave_room_for(500, 10_000).await;
}

/// Where they hold less than three eighths of the connection's window.
#[tokio::test]
async fn a_few_streams_that_stall_leave_room_for_long_messages_too() {
    let mut stalls = Stalls::none().await;
    // So many that the windows have just been given back, and are as large as they become.
    stalls.add(6, 20_000, 135).await;
    stalls.add(8, 10_000, 0).await;
    stalls.hold(6_000_000).await;
    for (count, size) in [(30, 2_000_000), (300, 100_000), (500, 10_000), (15, 4_000_000)] {
        stalls.leave_room_for(count, size).await;
    }
}
