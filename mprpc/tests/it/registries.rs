//! Instances that a file or a name tells of.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Listing, WatchedFile};
use mprpc_examples::echo_service;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::said::Said;
use crate::support::{Running, SOON, channel, echo_req, soon};

/// Often, so that tests are soon over.
const POLL: Duration = Duration::from_millis(10);

fn listing_of(file: &WatchedFile) -> watch::Receiver<Listing> {
    file.watch(&echo_service::DESCRIPTOR)
}

/// What a file says when these are the instances.
fn saying(addresses: &[SocketAddr]) -> String {
    let instances: Vec<_> =
        addresses.iter().map(|address| serde_json::json!({"address": address})).collect();
    serde_json::json!({"echo.EchoService": instances}).to_string()
}

/// As one should write a file that others read.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

async fn listed(listing: &mut watch::Receiver<Listing>, wanted: &[SocketAddr]) {
    let wanted = Listing::Known(wanted.iter().map(|address| Endpoint::new(*address)).collect());
    let reached = timeout(SOON, listing.wait_for(|now| *now == wanted)).await.map(drop);
    assert!(reached.is_ok(), "wanted {wanted:?}, seen {:?}", *listing.borrow());
}

/// Waits until the file has been looked at since.
async fn looked_at(said: &Said, what: &str, times: usize) {
    let looked = async {
        while said.how_often(what) < times {
            tokio::time::sleep(POLL).await;
        }
    };
    timeout(SOON, looked).await.unwrap_or_else(|_| panic!("never: {what}: {said:?}"));
}

#[tokio::test]
async fn calls_go_where_a_file_says_and_wait_until_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("instances.json");
    let target = format!("file://{}?poll=10ms", path.display());
    let client = echo_service::Client::new(&channel(&target));
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("early")).await }
    });
    let first = Running::echo().await;
    put(&path, &saying(&[first.address]));
    assert_eq!(early.await.unwrap().unwrap().payload, "early");

    let second = Running::echo().await;
    put(&path, &saying(&[second.address]));
    let moved = async {
        loop {
            let fail = mprpc_examples::FailReq { code: 5, message: String::new() };
            let status = client.fail(&soon(), fail).await.unwrap_err();
            if *status.peer().unwrap() == second.address {
                return;
            }
        }
    };
    timeout(SOON, moved).await.expect("calls move on");
    first.stop().await;
    client.echo(&soon(), echo_req("moved")).await.unwrap();
}

/// Listed without a call: nothing but the file's own task looks.
#[tokio::test]
async fn a_file_may_be_renamed_over_or_written_in_place_piece_by_piece() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("instances.json");
    put(&path, &saying(&[address(1)]));
    let file = WatchedFile::new(&path, POLL);
    let mut listing = listing_of(&file);
    listed(&mut listing, &[address(1)]).await;
    put(&path, &saying(&[address(1), address(2)]));
    listed(&mut listing, &[address(1), address(2)]).await;

    let said = Said::listen();
    let text = saying(&[address(3)]);
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    looked_at(&said, "makes no sense", 1).await;
    listed(&mut listing, &[address(1), address(2)]).await;
    std::fs::write(&path, &text).unwrap();
    listed(&mut listing, &[address(3)]).await;
    put(&path, "{}");
    listed(&mut listing, &[]).await;
}

/// How a configuration map is replaced: the file is a link into a directory that is a link.
#[tokio::test]
async fn a_link_on_the_way_to_a_file_may_be_pointed_elsewhere() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, port) in [("v1", 1), ("v2", 2)] {
        std::fs::create_dir(at(version)).unwrap();
        // Of one length and perhaps of one time.
        std::fs::write(at(version).join("instances.json"), saying(&[address(port)])).unwrap();
    }
    symlink("v1", at("data")).unwrap();
    symlink("data/instances.json", at("instances.json")).unwrap();
    let file = WatchedFile::new(at("instances.json"), POLL);
    let mut listing = listing_of(&file);
    listed(&mut listing, &[address(1)]).await;
    symlink("v2", at("data.new")).unwrap();
    std::fs::rename(at("data.new"), at("data")).unwrap();
    listed(&mut listing, &[address(2)]).await;
}

#[tokio::test]
async fn junk_in_a_file_leaves_the_last_listing_and_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("instances.json");
    put(&path, &saying(&[address(1)]));
    let file = WatchedFile::new(&path, POLL);
    let mut listing = listing_of(&file);
    listed(&mut listing, &[address(1)]).await;
    let said = Said::listen();
    let nowhere = saying(&[address(0)]);
    let mut times = 0;
    for junk in ["", "junk", "[]", "\0", nowhere.as_str(), &"[".repeat(100_000)] {
        put(&path, junk);
        times += 1;
        looked_at(&said, "makes no sense", times).await;
    }
    std::fs::remove_file(&path).unwrap();
    looked_at(&said, "No such file", 1).await;
    std::fs::create_dir(&path).unwrap();
    looked_at(&said, "not a file", 1).await;
    // Looked at some more, as what follows shows, and nothing more was said.
    std::fs::remove_dir(&path).unwrap();
    listed(&mut listing, &[address(1)]).await;
    put(&path, &saying(&[address(2)]));
    listed(&mut listing, &[address(2)]).await;
    assert!(said.how_often("makes no sense") <= times + 3, "{said:?}");
}

#[tokio::test]
async fn a_name_is_followed_and_its_addresses_are_called() {
    let server = Running::echo().await;
    // It may also be the name of ::1, where nobody listens.
    let target = format!("dns://localhost:{}?refresh=100ms", server.address.port());
    let client = echo_service::Client::new(&channel(&target));
    for _ in 0..10 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
}
