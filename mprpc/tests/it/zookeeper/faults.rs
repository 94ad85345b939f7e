//! ZooKeeper away, a session expired, a start without it.

use std::time::Duration;

use mprpc::discovery::ZooKeeper;
use mprpc_examples::echo_service;
use test_servers::PrivateZooKeeper;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Running, SOON, echo_req, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, Root, calls_go_on, client_of, connected, echo_in, knows_it_is_away, listed,
    listing_of, stays, until,
};

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_session_that_expired_is_replaced_and_all_is_registered_and_listed_again() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let mut listing = listing_of(&zookeeper);
    let server = Running::start(echo_in(&zookeeper)).await;
    listed(&mut listing, &[server.address]).await;
    let path = format!("{INSTANCES}/{}", server.address);
    let all = async |but: i64| {
        let (instance, method) =
            (root.read(&path).await, root.read(&format!("{METHODS}/Describe")).await);
        let of_another = |node: Option<(String, zookeeper_client::Stat)>| {
            node.is_some_and(|(_, stat)| stat.ephemeral_owner != but)
        };
        of_another(instance) && of_another(method)
    };
    until("registered", async || all(0).await).await;
    let (_, stat) = root.read(&path).await.unwrap();

    let client = client_of(&zookeeper);
    let again = async {
        let mut state = zookeeper.state();
        state.mark_unchanged();
        end_session(root.hosts.split_once('/').unwrap().0, stat.ephemeral_owner).await;
        // Its end is known when the next heartbeat is refused, and that may be over soon.
        let noticed = tokio::time::timeout(SOON, state.changed()).await;
        noticed.expect("the loss is noticed").unwrap();
        until("registered again", async || all(stat.ephemeral_owner).await).await
    };
    let ((), calls) = calls_go_on(&client, again).await;
    assert!(calls > 0);

    let second = Running::start(echo_in(&root.zookeeper())).await;
    listed(&mut listing, &[server.address, second.address]).await;
}

#[tokio::test]
async fn no_call_fails_while_zookeeper_is_away_and_none_when_it_is_back() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let zookeeper = ZooKeeper::builder(format!("{}/root", private.address()))
        .session_timeout(TWO_SECONDS)
        .request_timeout(TWO_SECONDS)
        .build()
        .unwrap();
    let servers =
        [Running::start(echo_in(&zookeeper)).await, Running::start(echo_in(&zookeeper)).await];
    let both = [servers[0].address, servers[1].address];
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &both).await;
    let client = client_of(&zookeeper);
    let away = async {
        private.kill().await;
        until("the loss is noticed", || knows_it_is_away(&zookeeper)).await;
        // Longer than a session lasts.
        stays("away", TWO_SECONDS * 2, || knows_it_is_away(&zookeeper)).await;
        private.start_again().await;
        connected(&zookeeper).await;
        let root = Root::at(format!("{}/root", private.address())).await;
        until("registered again", async || root.ids().await.len() == 2).await
    };
    let ((), calls) = calls_go_on(&client, away).await;
    assert!(calls > 100, "{calls}");
    listed(&mut listing, &both).await;

    // What comes later is found, too: the watches are there again.
    let third = Running::start(echo_in(&zookeeper)).await;
    listed(&mut listing, &[both[0], both[1], third.address]).await;
}

/// The library's own attempts would by then be many seconds apart.
#[tokio::test]
async fn a_session_that_would_live_for_long_does_not_keep_a_process_from_coming_back_soon() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let zookeeper = ZooKeeper::builder(private.address()).build().unwrap();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    let path = format!("{INSTANCES}/{}", server.address);
    let root = Root::at(private.address()).await;
    let (_, stat) = root.read(&path).await.expect("it is registered");
    let before = stat.ephemeral_owner;

    private.kill().await;
    until("the loss is noticed", || knows_it_is_away(&zookeeper)).await;
    stays("away", Duration::from_secs(7), || knows_it_is_away(&zookeeper)).await;
    private.start_again().await;
    until("back", async || !knows_it_is_away(&zookeeper).await).await;
    // The nodes of the lost session still stand; they are replaced, and do not go with it.
    let root = Root::at(private.address()).await;
    until("registered again", async || {
        root.read(&path).await.is_some_and(|(_, stat)| stat.ephemeral_owner != before)
    })
    .await;
    listed(&mut listing, &[server.address]).await;
}

/// It accepts connections and answers nothing: what a long pause or a full disk looks like.
#[tokio::test]
async fn a_zookeeper_that_is_frozen_is_replaced_by_a_new_session_when_it_goes_on() {
    // The new one must not expire while it is looked at, however busy the machine is.
    const SESSION: Duration = Duration::from_secs(6);
    let Some(private) = PrivateZooKeeper::start().await else { return };
    let zookeeper = ZooKeeper::builder(private.address())
        .session_timeout(SESSION)
        .request_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    let client = client_of(&zookeeper);
    let frozen = async {
        private.pause();
        until("the loss is noticed", || knows_it_is_away(&zookeeper)).await;
        stays("away", SESSION * 2, || knows_it_is_away(&zookeeper)).await;
        private.resume();
        connected(&zookeeper).await;
        let root = Root::at(private.address()).await;
        let id = server.address.to_string();
        until("registered again", async || {
            root.ids().await == [id.clone()] && root.owner("Fail").await == Some(id.clone())
        })
        .await;
        // Nor do they go with the old session, which may expire only now.
        stays("registered", SESSION, async || root.ids().await == [id.clone()]).await;
    };
    let ((), calls) = calls_go_on(&client, frozen).await;
    assert!(calls > 100, "{calls}");
    listed(&mut listing, &[server.address]).await;
}

#[tokio::test]
async fn a_process_starts_from_its_snapshot_while_zookeeper_is_down() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let build = || {
        ZooKeeper::builder(private.address())
            .session_timeout(TWO_SECONDS)
            .snapshots(directory.path())
            .build()
            .unwrap()
    };
    let (theirs, before) = (build(), build());
    let server = Running::start(echo_in(&theirs)).await;
    listed(&mut listing_of(&before), &[server.address]).await;
    let file = directory.path().join("echo.EchoService.json");
    until("the snapshot", async || file.exists()).await;
    drop(before);

    private.kill().await;
    let after = ZooKeeper::builder(private.address()).snapshots(directory.path()).build().unwrap();
    let answer = client_of(&after).echo(&soon(), echo_req("known")).await.unwrap();
    assert_eq!(answer.payload, "known");

    std::fs::write(&file, "{ junk").unwrap();
    let without =
        ZooKeeper::builder(private.address()).snapshots(directory.path()).build().unwrap();
    let early = tokio::spawn({
        let client: echo_service::Client = client_of(&without);
        async move { client.echo(&soon(), echo_req("early")).await }
    });
    private.start_again().await;
    assert_eq!(early.await.unwrap().unwrap().payload, "early", "it waited for the registry");
}

/// Ends somebody's session as its owner would: a session's password follows from its id
/// (`ZooKeeperServer.generatePasswd`: the first bytes of java.util.Random seeded with it).
async fn end_session(server: &str, id: i64) {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = ((id ^ 0xB341_5C00).cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut password = Vec::new();
    for _ in 0..4 {
        seed = (seed.wrapping_mul(MULTIPLIER) + 0xB) & MASK;
        password.extend(u32::try_from(seed >> 16).unwrap().to_le_bytes());
    }
    // Protocol version, last zxid, timeout, session, password, read-only.
    let mut connect = [0_u8; 16].to_vec();
    connect[12..].copy_from_slice(&4_000_i32.to_be_bytes());
    connect.extend(id.to_be_bytes());
    connect.extend(16_i32.to_be_bytes());
    connect.extend(&password);
    connect.push(0);
    let close = [1_i32.to_be_bytes(), (-11_i32).to_be_bytes()].concat();

    // Both at once: the server closes its owner's connection, and the owner comes back at once.
    let framed = [connect, close].map(|request| {
        [i32::try_from(request.len()).unwrap().to_be_bytes().to_vec(), request].concat()
    });
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&framed.concat()).await.unwrap();
    // Until the server has closed it; what it answers may be lost with that.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
