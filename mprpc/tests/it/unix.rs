//! Servers and channels over Unix sockets.

use std::path::PathBuf;

use mprpc::{Address, Channel, Code, Executed, Server, ServerBuilder};
use mprpc_examples::{Echo, FailReq, echo_service};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{echo_req, soon};

fn echo() -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo))
}

/// Begins to serve, and says how to stop it.
async fn serve(builder: ServerBuilder) -> (CancellationToken, JoinHandle<()>) {
    let server = builder.bind_all().await.unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    (stop, tokio::spawn(async move { server.serve(stopped).await.unwrap() }))
}

fn client(path: &std::path::Path, query: &str) -> echo_service::Client {
    let target = format!("static://unix:{}{query}", path.display());
    echo_service::Client::new(&Channel::builder(target).build().unwrap())
}

#[tokio::test]
async fn both_wires_go_over_a_unix_socket_whose_file_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.sock");
    let (stop, task) = serve(echo().listen(path.clone())).await;
    for query in ["", "?wire=classic"] {
        let client = client(&path, query);
        for _ in 0..3 {
            client.echo(&soon(), echo_req("hello")).await.unwrap();
        }
        let fail = FailReq { code: 5, message: String::new() };
        let status = client.fail(&soon(), fail).await.unwrap_err();
        assert_eq!(status.peer(), Some(&Address::from(path.clone())));
    }
    stop.cancel();
    task.await.unwrap();
    assert!(!path.exists());
    let status = client(&path, "").echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
}

#[tokio::test]
async fn a_server_listens_on_several_addresses_and_announces_the_one_that_others_can_reach() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.sock");
    let server = echo().listen(path.clone()).bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let tcp = server.local_addr();
    assert_eq!(server.addresses(), [Address::from(path.clone()), tcp.into()]);
    let serving = tokio::spawn(server.serve(std::future::pending()));
    client(&path, "").echo(&soon(), echo_req("unix")).await.unwrap();
    let over_tcp = Channel::builder(format!("static://{tcp}")).build().unwrap();
    echo_service::Client::new(&over_tcp).echo(&soon(), echo_req("tcp")).await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn a_path_that_a_live_server_listens_on_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("echo.sock");
    let _live = echo().listen(path.clone()).bind_all().await.unwrap();
    let error = echo().listen(path.clone()).bind_all().await.err().unwrap();
    let text = format!("listening on unix:{}", path.display());
    assert!(error.to_string().starts_with(&text), "{error}");
}
