//! What a start leaves behind that comes to nothing.

use std::net::TcpListener;

use im_common::Deps;
use mpim::Config;
use tempfile::TempDir;

/// All ports chosen by the system, the data in `dir`.
fn config(dir: &TempDir) -> Config {
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let any = "127.0.0.1:0".parse().unwrap();
    config.user.rpc.listen = any;
    config.message.rpc.listen = any;
    config.presence.rpc.listen = any;
    config.group.rpc.listen = any;
    config.gateway.rpc.listen = any;
    config.gateway.text.listen = any;
    config.gateway.frames.listen = any;
    config.gateway.http.listen = any;
    config
}

#[tokio::test]
async fn those_that_started_before_one_that_could_not_have_ended_when_the_start_has() {
    let dir = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut failing = config(&dir);
    failing.gateway.text.listen = taken.local_addr().unwrap();
    let error = mpim::start(failing, Deps::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "im-gateway");
    // Whoever still ran would have its data directory.
    let started = mpim::start(config(&dir), Deps::default()).await;
    assert!(started.is_ok(), "{started:?}");
}
