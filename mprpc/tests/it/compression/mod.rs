//! Messages that are compressed, between peers that take them and peers that do not.

mod damage;

use bytes::Bytes;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use mprpc::{Channel, Server};
use mprpc_examples::{Echo, EchoReq, ListReq, echo_service};

use crate::support::{Running, echo_req, soon};

const ABOVE: usize = 1000;

async fn server(compresses: bool) -> Running {
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    Running::start(if compresses { builder.compress_above(ABOVE) } else { builder }).await
}

fn client(server: &Running, compresses: bool) -> echo_service::Client {
    let builder = Channel::builder(format!("static://{}", server.address));
    let builder = if compresses { builder.compress_above(ABOVE) } else { builder };
    echo_service::Client::new(&builder.build().unwrap())
}

/// What the counters named have counted since they were last looked at, on this thread.
struct Counters(Snapshotter);

impl Counters {
    fn listen() -> (Self, metrics::LocalRecorderGuard<'static>) {
        let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
        (Self(recorder.snapshotter()), metrics::set_default_local_recorder(recorder))
    }

    fn take<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let seen = self.0.snapshot().into_vec();
        names.map(|name| {
            let of_name = seen.iter().filter(|(key, ..)| key.key().name() == name);
            let counts = of_name.map(|(.., value)| match value {
                DebugValue::Counter(count) => *count,
                other => panic!("{name} counts {other:?}"),
            });
            counts.sum()
        })
    }

    /// The bytes that the client's connections sent and received.
    fn bytes(&self) -> [u64; 2] {
        self.take(["mprpc_client_sent_bytes_total", "mprpc_client_received_bytes_total"])
    }
}

/// Calls of each kind, with half a megabyte in each direction, of much the same.
async fn call_each_kind(client: &echo_service::Client) {
    let payload = "to and fro ".repeat(10_000);
    let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
    assert_eq!(answer.payload, payload);

    let (mut requests, answer) = client.upload(&soon()).await.unwrap();
    for _ in 0..2 {
        requests.send(echo_req(&payload)).await.unwrap();
        requests.send(echo_req("short")).await.unwrap();
    }
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, format!("{payload}short").repeat(2));

    let mut answers = client.list(&soon(), ListReq { count: 2, size: 50_000 }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(answers.next().await.unwrap().unwrap().payload, vec![0; 50_000]);
    }
    assert_eq!(answers.next().await.unwrap(), None);

    let (mut requests, mut answers) = client.chat(&soon()).await.unwrap();
    for sent in [&*payload, "", "short", &payload] {
        requests.send(echo_req(sent)).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().payload, sent);
    }
    requests.finish();
    assert_eq!(answers.next().await.unwrap(), None);
}

#[tokio::test]
async fn peers_understand_each_other_whichever_of_them_compress() {
    let (counters, _guard) = Counters::listen();
    for (ours, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
        let server = server(theirs).await;
        call_each_kind(&client(&server, ours)).await;
        let [sent, received] = counters.bytes();
        if ours && theirs {
            assert!(sent < 20_000 && received < 20_000, "{sent} and {received} bytes");
        } else {
            assert!(sent > 500_000 && received > 500_000, "{sent} and {received} bytes");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn short_messages_and_those_that_do_not_become_shorter_go_as_they_are() {
    let (counters, _guard) = Counters::listen();
    let server = server(true).await;
    let client = client(&server, true);
    let payload = Bytes::from_iter(std::iter::repeat_with(|| fastrand::u8(..)).take(100_000));
    let random = EchoReq { payload };
    assert_eq!(client.echo(&soon(), random.clone()).await.unwrap().payload, random.payload);
    let metrics = ["mprpc_compressed_bytes_in_total", "mprpc_compressed_bytes_out_total"];
    let [before, after] = counters.take(metrics);
    assert!(before > 200_000 && before == after, "{before} became {after}");

    client.echo(&soon(), echo_req(&"x".repeat(ABOVE - 10))).await.unwrap();
    assert_eq!(counters.take(metrics), [0, 0]);
    client.echo(&soon(), echo_req(&"x".repeat(ABOVE))).await.unwrap();
    let [before, after] = counters.take(metrics);
    assert!(before > 2 * ABOVE as u64 && after < 100, "{before} became {after}");
}

#[tokio::test]
async fn who_only_takes_compressed_messages_sends_none() {
    let (counters, _guard) = Counters::listen();
    let server = server(true).await;
    let builder = Channel::builder(format!("static://{}", server.address));
    let channel = builder.compress_above(usize::MAX).build().unwrap();
    call_each_kind(&echo_service::Client::new(&channel)).await;
    let [sent, received] = counters.bytes();
    assert!(sent > 500_000 && received < 20_000, "{sent} and {received} bytes");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_however_short_it_would_become() {
    let server = server(true).await;
    let client = client(&server, true);
    let payload = Bytes::from(vec![0; 4 << 20]);
    let status = client.echo(&soon(), EchoReq { payload }).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::ResourceExhausted, "{status}");
    let payload = Bytes::from(vec![0; (4 << 20) - 100]);
    let answer = client.echo(&soon(), EchoReq { payload: payload.clone() }).await.unwrap();
    assert!(answer.payload == payload);
}
