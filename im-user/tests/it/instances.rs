//! Several im-users on one database server, and what a server that is away or full of somebody
//! else's data does to one.

use std::path::Path;
use std::time::Duration;

use im_common::{Clock, DRAIN, Deps, Readiness, Running};
use im_user::{Config, StartError};
use mpim_proto::{LoginReq, LogoutReq, VerifyTokenReq, user_service};
use mprpc::discovery::Memory;
use test_servers::PrivateMariaDb;
use tokio::time::Instant;

use super::{channel, cx, register};

fn config(database_url: &str, data_dir: &Path, configure: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.rpc.listen.set_port(0);
    config.password.memory_kib = 8;
    config.password.passes = 1;
    config.database.url = database_url.into();
    configure(&mut config);
    config
}

/// As a process of its own: it knows of no other.
async fn start(
    database_url: &str,
    data_dir: &Path,
    configure: impl FnOnce(&mut Config),
) -> Result<Running, StartError> {
    start_by(Clock::system(), database_url, data_dir, configure).await
}

/// The same on a machine with that clock.
async fn start_by(
    clock: Clock,
    database_url: &str,
    data_dir: &Path,
    configure: impl FnOnce(&mut Config),
) -> Result<Running, StartError> {
    let deps = Deps { clock, ..Deps::new(Memory::new()) };
    let readiness = deps.readiness.clone();
    let running = im_user::start(config(database_url, data_dir, configure), deps).await?;
    // It serves without Redis, too; these tests are about it with one.
    until(|| !missing(&readiness).contains("Redis"), &readiness).await;
    Ok(running)
}

async fn until(seen: impl Fn() -> bool, readiness: &Readiness) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !seen() {
        assert!(Instant::now() < deadline, "{}", missing(readiness));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn missing(readiness: &Readiness) -> String {
    readiness.report().unwrap_or_else(|missing| missing)
}

fn client(running: &Running) -> user_service::Client {
    let target = format!("static://{}", running.addr);
    user_service::Client::new(&channel(&target, &Memory::new()))
}

async fn log_in(client: &user_service::Client, password: &str) -> mpim_proto::LoginResp {
    let (username, password) = ("alice".into(), password.to_owned().into());
    client.login(&cx(), LoginReq { username, password, ..LoginReq::default() }).await.unwrap()
}

async fn holder(client: &user_service::Client, token: &str) -> i64 {
    let req = VerifyTokenReq { token: token.to_owned(), ..VerifyTokenReq::default() };
    client.verify_token(&cx(), req).await.unwrap().user_id
}

#[tokio::test]
async fn two_instances_share_accounts_tokens_and_revocations() {
    let Some(server) = test_servers::mariadb().await else { return };
    let (database, directory) = (server.fresh_database("user"), tempfile::tempdir().unwrap());
    // Where there is nothing yet, and both start at the same moment.
    let data_dir = directory.path().join("data/user");
    let url = database.url();
    let both = tokio::join!(start(&url, &data_dir, |_| ()), start(&url, &data_dir, |_| ()));
    let (running, other_running) = (both.0.unwrap(), both.1.unwrap());
    let (one, other) = (client(&running), client(&other_running));

    assert_eq!(register(&one, "alice").await, 1);
    assert_eq!(register(&other, "bob").await, 2);
    let token = log_in(&other, "correct horse").await.token;
    assert_eq!(holder(&one, &token).await, 1);
    let req = LogoutReq { user_id: 1, token: token.clone(), ..LogoutReq::default() };
    assert!(one.logout(&cx(), req).await.unwrap().result.unwrap().is_ok());
    assert_eq!(holder(&other, &token).await, 0, "revoked at once, everywhere");

    let left: Vec<_> = std::fs::read_dir(&data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["token.key"], "the data is in the database");
    running.stop(DRAIN).await.unwrap();
    other_running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn an_instance_whose_clock_is_an_hour_behind_knows_a_new_token_from_a_forged_one() {
    let Some(server) = test_servers::mariadb().await else { return };
    let (database, directory) = (server.fresh_database("user"), tempfile::tempdir().unwrap());
    let url = database.url();
    let now_ms = Clock::system().now_ms();
    let [right, behind] = [now_ms, now_ms - 3_600_000].map(Clock::manual);
    let right = start_by(right, &url, directory.path(), |_| ()).await.unwrap();
    let behind = start_by(behind, &url, directory.path(), |_| ()).await.unwrap();
    let (right_client, behind_client) = (client(&right), client(&behind));
    register(&right_client, "alice").await;
    let token = log_in(&right_client, "correct horse").await.token;
    let verified = async |token: &str| {
        let req = VerifyTokenReq { token: token.to_owned(), ..VerifyTokenReq::default() };
        behind_client.verify_token(&cx(), req).await.unwrap().result.unwrap().msg
    };
    assert_eq!(verified(&token).await, "token not yet valid");
    assert_eq!(verified(&format!("{token}x")).await, "invalid token");
    let req = LogoutReq { user_id: 1, token: token.clone(), ..LogoutReq::default() };
    assert!(behind_client.logout(&cx(), req).await.unwrap().result.unwrap().is_ok());
    assert_eq!(verified(&token).await, "invalid token");
    assert_eq!(holder(&right_client, &token).await, 0);
    // In the other direction nothing is special.
    let token = log_in(&behind_client, "correct horse").await.token;
    assert_eq!(holder(&right_client, &token).await, 1);
    right.stop(DRAIN).await.unwrap();
    behind.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn a_key_file_of_its_own_leaves_no_data_directory() {
    let Some(server) = test_servers::mariadb().await else { return };
    let (database, directory) = (server.fresh_database("user"), tempfile::tempdir().unwrap());
    let (data_dir, key_file) = (directory.path().join("data"), directory.path().join("key/token"));
    let configure = |config: &mut Config| config.token.key_file = key_file.clone();
    let running = start(&database.url(), &data_dir, configure).await.unwrap();
    assert!(key_file.is_file() && !data_dir.exists());
    running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn guesses_are_counted_by_all_instances() {
    let Some(server) = test_servers::mariadb().await else { return };
    let Some(redis) = test_servers::redis().await else { return };
    let (database, directory) = (server.fresh_database("user"), tempfile::tempdir().unwrap());
    let prefix = redis.fresh_prefix();
    let configure = |config: &mut Config| {
        config.log_in.free = 4;
        (config.log_in.delay_ms, config.log_in.delay_max_ms) = (200_000, 200_000);
        config.redis.cache_url = redis.url().parse().unwrap();
        config.redis.connection.key_prefix = prefix.clone();
    };
    let one = start(&database.url(), directory.path(), configure).await.unwrap();
    let other = start(&database.url(), directory.path(), configure).await.unwrap();
    register(&client(&one), "alice").await;
    for instance in [&one, &other, &one, &other] {
        let answer = log_in(&client(instance), "wrong horse").await.result.unwrap();
        assert_eq!(answer.msg, "bad cred");
    }
    for instance in [&one, &other] {
        let answer = log_in(&client(instance), "correct horse").await.result.unwrap();
        assert_eq!(answer.msg, "too many attempts");
    }
    one.stop(DRAIN).await.unwrap();
    other.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn a_refused_password_is_an_error_at_once_that_does_not_show_it() {
    let Some(server) = test_servers::mariadb().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = server.url("test_user").replace("mpim:mpim", "mpim:hunter2");
    let refused = start(&url, directory.path(), |_| ()).await.unwrap_err();
    let said = im_common::in_one_line(&refused);
    assert!(matches!(refused, StartError::Server(_)), "{said}");
    assert!(said.contains(&server.address()) && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn it_waits_for_a_server_that_is_away_and_says_so_and_goes_on_after_it_was_away_again() {
    let Some(mut server) = PrivateMariaDb::prepared() else { return };
    let directory = tempfile::tempdir().unwrap();
    let deps = Deps::new(Memory::new());
    let readiness = deps.readiness.clone();
    let config = config(&server.server().url("test_user"), directory.path(), |_| ());
    let starting = tokio::spawn(im_user::start(config, deps));
    until(|| missing(&readiness).contains(&server.address()), &readiness).await;
    assert!(!starting.is_finished());

    server.start_again().await;
    let running = starting.await.unwrap().unwrap();
    let client = client(&running);
    register(&client, "alice").await;
    assert!(!missing(&readiness).contains(&server.address()), "{}", missing(&readiness));

    server.kill().await;
    let (username, password) = ("alice".into(), "correct horse".into());
    let status = client
        .login(&cx(), LoginReq { username, password, ..LoginReq::default() })
        .await
        .unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Unavailable);
    until(|| missing(&readiness).contains(&server.address()), &readiness).await;
    server.start_again().await;
    assert_eq!(log_in(&client, "correct horse").await.user_id, 1);
    until(|| !missing(&readiness).contains(&server.address()), &readiness).await;
    running.stop(DRAIN).await.unwrap();
}
