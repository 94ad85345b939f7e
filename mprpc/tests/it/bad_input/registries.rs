//! Junk in a registry: each piece is said once and counted once, whoever else stands there is called.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mprpc::discovery::{Discover, Endpoint, Etcd, Listing, WatchedFile};
use mprpc_examples::echo_service;
use serde_json::json;
use test_servers::PrivateEtcd;
use tokio::time::{Duration, sleep, timeout};
use tracing::Level;

use crate::etcd::ask;
use crate::said::Said;
use crate::support::{Running, SOON, channel, echo_req, soon};
use crate::told::Told;
use crate::zookeeper::fixture::{INSTANCES, METHODS, Root, client_of, echo_in, listed, listing_of};

/// What stands where an instance should say of itself.
fn junk() -> Vec<Vec<u8>> {
    let long = format!("{{\"address\":\"127.0.0.1:1\",\"zone\":\"{}\"}}", "x".repeat(5000));
    let texts = [
        "",
        "junk",
        "null",
        "[]",
        "{}",
        "{\"address\":7}",
        "{\"address\":\"nowhere\"}",
        "{\"address\":\"localhost:80\"}",
        "{\"address\":\"127.0.0.1:0\"}",
        "{\"address\":\"127.0.0.1:65536\"}",
        "{\"address\":\"0.0.0.0:80\"}",
        "{\"address\":\"[::]:80\"}",
        "{\"address\":\"127.0.0.1:1\",\"wires\":\"v2\"}",
        "{\"address\":\"127.0.0.1:1\",\"weight\":-1}",
        "{\"address\":\"127.0.0.1:1\",\"weight\":4294967296}",
        "{\"address\":\"127.0.0.1:1\",\"tags\":{}}",
        "{\"address\":\"127.0.0.1:1\"",
        "{\"address\":\"a\\nWARN forged\\u001b[31m\\u2028\"}",
        &"[".repeat(4000),
        &long,
    ];
    let bytes = [&b"\0"[..], b"\xff\xfe\xfd", b"{\"address\":\"\xff\"}"];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain(bytes.map(<[u8]>::to_vec)).collect()
}

/// Waits until each piece was counted; then each was also said once, and none is counted again.
async fn each_is_said_and_counted_once(
    told: &mut Told,
    said: &Said,
    registry: &str,
    pieces: usize,
) {
    let counter = format!("mprpc_registry_junk_total{{registry={registry}}}");
    #[expect(clippy::cast_precision_loss, reason = "a few pieces")]
    let pieces_counted = pieces as f64;
    told.wait_for(&[(&counter, pieces_counted)]).await;
    let warned = said.at(Level::WARN);
    let warned: Vec<_> = warned.iter().filter(|line| line.contains("makes no sense")).collect();
    assert_eq!(warned.len(), pieces, "{warned:#?}");
    assert!(said.are_lines(), "{warned:#?}");
}

#[tokio::test]
async fn junk_in_zookeeper_is_said_and_counted_once_and_others_are_called() {
    let Some(root) = Root::fresh().await else { return };
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let junk = junk();
    for (n, piece) in junk.iter().enumerate() {
        root.put_bytes(&format!("{INSTANCES}/junk {n}"), piece).await;
    }
    // Of the other layout, where nodes are methods' and name an address only.
    let methods = [
        ("Fail", ""),
        ("Describe", "nowhere"),
        ("EchoSlowly", "127.0.0.1:0"),
        ("Upload", "[::1]:80"),
        ("List", "127.0.0.1:1 and more"),
        ("Chat", "\u{2028}\n\u{1b}[31m"),
    ];
    for (method, piece) in methods {
        root.put(&format!("{METHODS}/{method}"), piece).await;
    }
    let zookeeper = root.zookeeper();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    let client = client_of(&zookeeper);
    client.echo(&soon(), echo_req("x")).await.unwrap();
    each_is_said_and_counted_once(&mut told, &said, "zookeeper", junk.len() + methods.len()).await;

    // All of it is looked at again when somebody else comes.
    let second = Running::start(echo_in(&root.zookeeper())).await;
    listed(&mut listing, &[server.address, second.address]).await;
    each_is_said_and_counted_once(&mut told, &said, "zookeeper", junk.len() + methods.len()).await;
}

#[tokio::test]
async fn junk_in_etcd_is_said_and_counted_once_and_others_are_called() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let junk = junk();
    for (n, piece) in junk.iter().enumerate() {
        let key = BASE64_STANDARD.encode(format!("/tests/mprpc/echo.EchoService/junk {n}"));
        let value = BASE64_STANDARD.encode(piece);
        ask(&etcd, "/v3/kv/put", &json!({"key": key, "value": value})).await;
    }
    let ours = Etcd::builder(format!("{}/tests", etcd.address())).build().unwrap();
    let register = |etcd: &Etcd| {
        let builder = mprpc::Server::builder();
        builder.add_service(echo_service::serve(mprpc_examples::Echo)).register(etcd.clone())
    };
    let server = Running::start(register(&ours)).await;
    let mut listing = ours.watch(&echo_service::DESCRIPTOR);
    listed(&mut listing, &[server.address]).await;
    let target = format!("etcd://{}/tests", etcd.address());
    each_is_said_and_counted_once(&mut told, &said, "etcd", junk.len()).await;

    let second = Running::start(register(&ours)).await;
    listed(&mut listing, &[server.address, second.address]).await;
    each_is_said_and_counted_once(&mut told, &said, "etcd", junk.len()).await;
    let client = echo_service::Client::new(&channel(&target));
    client.echo(&soon(), echo_req("x")).await.unwrap();
}

#[tokio::test]
async fn junk_in_a_file_is_said_and_counted_once_and_what_it_said_last_holds() {
    const POLL: Duration = Duration::from_millis(5);
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("instances.json");
    let put = |text: &[u8]| {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    let good = |port: u16| {
        let text = json!({"echo.EchoService": [{"address": format!("127.0.0.1:{port}")}]});
        text.to_string().into_bytes()
    };
    put(&good(1));
    let file = WatchedFile::new(&path, POLL);
    let mut listing = file.watch(&echo_service::DESCRIPTOR);
    let lists = |port: u16| {
        let endpoint = Endpoint::new(([127, 0, 0, 1], port));
        move |now: &Listing| *now == Listing::Known([endpoint.clone()].into())
    };
    timeout(SOON, listing.wait_for(lists(1))).await.expect("it is listed").unwrap();

    let entries = junk()
        .into_iter()
        .filter(|piece| piece != b"{}")
        .map(|entry| [b"{\"echo.EchoService\":[".to_vec(), entry, b"]}".to_vec()].concat());
    // An entry of nothing is a service without instances, and long texts are no junk here.
    let entries = entries.filter(|text| text.len() > 30 && text.len() < 4500);
    // Each is wrong in another way, so that it counts.
    let whole = [&b""[..], b"junk", b"[]", b"{\"a.B\":7}"].map(<[u8]>::to_vec);
    let mut pieces = 0;
    for text in entries.chain(whole) {
        put(&text);
        pieces += 1;
        // Each is another, so none is missed.
        each_is_said_and_counted_once(&mut told, &said, "file", pieces).await;
    }
    assert!(lists(1)(&listing.borrow()), "{:?}", *listing.borrow());
    // It stays for a while.
    sleep(POLL * 20).await;
    each_is_said_and_counted_once(&mut told, &said, "file", pieces).await;
    put(&good(2));
    timeout(SOON, listing.wait_for(lists(2))).await.expect("it is listed").unwrap();
}
