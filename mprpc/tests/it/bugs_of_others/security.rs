//! What others could read or reach that is not theirs.
//!
//! What arrives on ports and stands in registries is in `bad_input`.

use std::time::Duration;

use bytes::Bytes;
use mprpc::local::Network;
use mprpc::{Balance, Channel, Context, Server};
use mprpc_examples::{DescribeReq, Echo, EchoReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::said::Said;
use crate::support::{Gate, Running, SOON, echo_req, slow_req, soon};
use crate::told::Told;
use crate::zookeeper::fixture::{INSTANCES, Root, client_of, echo_in, until};

/// Neither messages nor metadata, whatever becomes of the call.
#[tokio::test]
async fn nothing_that_a_call_carries_is_in_a_log_line_or_a_metric() {
    const SECRET: &str = "correct-horse";
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    let cx = soon().sending("authorization", SECRET);
    for client in [server.client(), server.classic_client()] {
        client.echo(&cx, echo_req(SECRET)).await.unwrap();
        let hurried = Context::with_timeout(Duration::from_millis(20)).sending("token", SECRET);
        client.echo_slowly(&hurried, slow_req(SECRET)).await.unwrap_err();
        let large = EchoReq { payload: Bytes::from(SECRET.repeat(400_000)) };
        client.echo(&cx, large).await.unwrap_err();
    }
    let described = server.client().describe(&cx, DescribeReq {}).await.unwrap();
    assert_eq!(described.metadata["authorization"], SECRET, "the handler gets it");
    // A request that is refused, and a connection that is closed, for what they carry.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = [&b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\x0d"[..], SECRET.as_bytes()];
    stream.write_all(&request.concat()).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is closed");
    drop(stream);
    server.stop().await;
    assert_eq!(said.how_often(SECRET), 0, "{said:?}");
    assert!(said.how_often("connection closed") > 0, "it was listened to");
    assert!(told.look().keys().all(|key| !key.contains(SECRET)), "{:?}", told.seen);
    // Those who log a context of their own do not give it away, either.
    assert!(!format!("{cx:?}").contains(SECRET), "{cx:?}");
}

/// Whoever can write to a registry may name anything that accepts connections: it gets no call, and
/// holds none up.
#[tokio::test]
async fn a_rogue_entry_in_the_registry_gets_no_traffic() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    // Of another protocol, which waits for its clients to speak, or greets them.
    let mut rogues = Vec::new();
    for greeting in [&b""[..], b"220 mail.example ESMTP\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        root.put(&format!("{INSTANCES}/{address}"), &format!("{{\"address\":\"{address}\"}}"))
            .await;
        rogues.push(tokio::spawn(listen(listener, greeting)));
    }
    let server = Running::start(echo_in(&root.zookeeper())).await;
    let client = client_of(&zookeeper);
    client.echo(&soon(), echo_req("x")).await.unwrap();
    until("all are listed", async || zookeeper_lists(&zookeeper) == 3).await;
    for _ in 0..200 {
        let answer = client.echo(&soon(), echo_req("confidential")).await.unwrap();
        assert_eq!(answer.payload, "confidential");
    }
    server.stop().await;
    for rogue in rogues {
        rogue.abort();
        let heard = rogue.await;
        assert!(heard.is_err_and(|error| error.is_cancelled()), "it was told of a call");
    }
}

fn zookeeper_lists(zookeeper: &mprpc::discovery::ZooKeeper) -> usize {
    use mprpc::discovery::{Discover, Listing};
    match &*zookeeper.watch(&echo_service::DESCRIPTOR).borrow() {
        Listing::Known(endpoints) => endpoints.len(),
        Listing::Unknown => 0,
    }
}

/// Ready once somebody has sent more than what a client says first of itself.
async fn listen(listener: TcpListener, greeting: &'static [u8]) {
    const PREFACE_AND_SETTINGS_MAX: usize = 64;
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted.unwrap();
                let told = told.clone();
                tokio::spawn(async move {
                    let _ = stream.write_all(greeting).await;
                    let mut read = Vec::new();
                    while stream.read_buf(&mut read).await.is_ok_and(|bytes| bytes > 0) {
                        if read.len() > PREFACE_AND_SETTINGS_MAX {
                            let _ = told.send(()).await;
                            return;
                        }
                    }
                });
            }
            _ = heard.recv() => return,
        }
    }
}

/// The same where the entry names something that is silent, in virtual time: of many calls one waits a
/// moment, for the attempt to connect there once more.
#[tokio::test(start_paused = true)]
async fn a_rogue_entry_that_is_silent_costs_no_call_its_deadline() {
    let network = Network::new();
    let builder = Server::builder().add_service(echo_service::serve(Echo)).network(&network);
    let server = builder.listen(network.address("good")).bind_all().await.unwrap();
    tokio::spawn(server.serve(std::future::pending()));
    let rogue = Server::builder().network(&network).listen(network.address("rogue"));
    let _accepts_only = rogue.bind_all().await.unwrap();
    network.freeze("rogue");
    let channel = Channel::builder("static://local:good,local:rogue").network(&network);
    let channel = channel.balance(Balance::round_robin()).build().unwrap();
    let client = echo_service::Client::new(&channel);
    // Both are tried.
    client.echo(&soon(), echo_req("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
