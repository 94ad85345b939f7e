//! A service that starts before what it depends on waits for it, says so, and goes on when it is there.

use std::net::SocketAddr;

use mpim_tests::{Process, free_address, get, is_ready, is_waiting_for, until};
use tempfile::TempDir;
use test_servers::{Private, PrivateMariaDb, PrivateRedis, PrivateZooKeeper, Server};

/// A service that was started as `conf/cluster` configures it, and its admin port.
fn start(
    program: &'static str,
    directory: &TempDir,
    settings: &[(&str, String)],
) -> (Process, SocketAddr) {
    let (admin, conf) = (free_address(), concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/cluster"));
    let mut process = Process::new(program, directory.path())
        .argument("-i")
        .argument(format!("{conf}/{program}.toml"))
        .variable("MPIM_RPC__LISTEN", free_address().to_string())
        .variable("MPIM_ADMIN__LISTEN", admin.to_string());
    if program == "im-gateway" {
        process = process
            .variable("MPIM_TEXT__LISTEN", free_address().to_string())
            .variable("MPIM_FRAMES__LISTEN", free_address().to_string())
            .variable("MPIM_HTTP__LISTEN", free_address().to_string());
    }
    for (name, value) in settings {
        process = process.variable(*name, value);
    }
    process.start();
    (process, admin)
}

/// Starts a service without its server, which then comes.
async fn it_waits_for<S: Server>(
    program: &'static str,
    mut server: Private<S>,
    names: &str,
    settings: &[(&str, String)],
) {
    let directory = tempfile::tempdir().unwrap();
    let (mut process, admin) = start(program, &directory, settings);
    let address = server.address();
    let said = is_waiting_for(admin, &[names, &address]).await;
    assert!(!said.contains("mpim:mpim"), "no password in {said}");
    assert_eq!(get(admin, "/healthz").await.unwrap().0, 200, "it lives, and waits");
    // It says that it waits from its first moment, and complains once it has tried.
    let complaints = until("it complains in its log", async || {
        match process.log().lines().filter(|line| line.contains(&address)).count() {
            0 => Err(process.log()),
            complaints => Ok(complaints),
        }
    });
    assert!(complaints.await <= 3, "said once, not each time:\n{}", process.log());
    server.start_again().await;
    is_ready(admin).await;
    process.stop().await;
}

#[tokio::test]
async fn a_service_waits_for_mariadb() {
    for program in ["im-user", "im-message", "im-group"] {
        let (Some(mariadb), Some(zookeeper)) =
            (PrivateMariaDb::prepared(), test_servers::zookeeper().await)
        else {
            return;
        };
        let mut settings = vec![
            ("MPIM_ZOOKEEPER__HOSTS", zookeeper.fresh_root().await),
            ("MPIM_DATABASE__URL", mariadb.server().url("test_late")),
        ];
        if program == "im-user" {
            settings.push(("MPIM_REDIS__CACHE_URL", String::new()));
        }
        it_waits_for(program, mariadb, "database", &settings).await;
    }
}

#[tokio::test]
async fn a_service_waits_for_redis() {
    let (Some(redis), Some(zookeeper)) =
        (PrivateRedis::prepared(), test_servers::zookeeper().await)
    else {
        return;
    };
    let settings = [
        ("MPIM_ZOOKEEPER__HOSTS", zookeeper.fresh_root().await),
        ("MPIM_REDIS__METADATA_URL", redis.server().url()),
    ];
    it_waits_for("im-presence", redis, "Redis", &settings).await;
}

#[tokio::test]
async fn a_service_waits_for_zookeeper() {
    for program in ["im-presence", "im-gateway"] {
        let (Some(zookeeper), Some(redis)) =
            (PrivateZooKeeper::prepared(), test_servers::redis().await)
        else {
            return;
        };
        let mut settings = vec![("MPIM_ZOOKEEPER__HOSTS", zookeeper.address())];
        if program == "im-presence" {
            settings.push(("MPIM_REDIS__METADATA_URL", redis.url()));
        }
        it_waits_for(program, zookeeper, "ZooKeeper", &settings).await;
    }
}
