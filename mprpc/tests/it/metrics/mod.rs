//! Each metric that the crate's page names, as a recorder gets it.

mod connections;
mod registries;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mprpc::{Context, Server};
use mprpc_examples::{Echo, EchoSlowlyReq, FailReq, echo_service};
use tokio::time::timeout;

use crate::balancing::fleet::Fleet;
use crate::support::{Gate, Running, SOON, echo_req, slow_req, soon};
use crate::told::Told;

#[tokio::test]
async fn calls_are_counted_by_method_and_code_at_both_ends() {
    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    for _ in 0..3 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    let fail = FailReq { code: 5, message: "a panic".to_owned() };
    client.fail(&soon(), fail).await.unwrap_err();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("x")).await }
    });
    told.wait_for(&[
        ("mprpc_client_calls_total{code=Ok,method=Echo,service=echo.EchoService}", 3.0),
        ("mprpc_server_calls_total{code=Ok,method=Echo,service=echo.EchoService}", 3.0),
        ("mprpc_client_calls_total{code=Internal,method=Fail,service=echo.EchoService}", 1.0),
        ("mprpc_server_calls_total{code=Internal,method=Fail,service=echo.EchoService}", 1.0),
        ("mprpc_client_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 1.0),
        ("mprpc_server_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 1.0),
    ])
    .await;

    slow.abort();
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    told.wait_for(&[
        (
            "mprpc_client_calls_total{code=Cancelled,method=EchoSlowly,service=echo.EchoService}",
            1.0,
        ),
        (
            "mprpc_server_calls_total{code=Cancelled,method=EchoSlowly,service=echo.EchoService}",
            1.0,
        ),
    ])
    .await;
    let cx = Context::with_timeout(Duration::from_millis(20));
    client.echo_slowly(&cx, slow_req("x")).await.unwrap_err();
    let deadline = "code=DeadlineExceeded,method=EchoSlowly,service=echo.EchoService";
    told.wait_for(&[
        (&format!("mprpc_client_calls_total{{{deadline}}}"), 1.0),
        ("mprpc_client_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 0.0),
        ("mprpc_server_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 0.0),
    ])
    .await;
}

#[tokio::test]
async fn the_time_of_a_call_is_told_apart() {
    let (mut told, _guard) = Told::listen();
    let server = Running::start(Server::builder().add_service(echo_service::serve(Echo))).await;
    let client = server.client();
    for _ in 0..5 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    told.wait_for(&[
        ("mprpc_client_call_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_client_queue_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_client_write_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_client_network_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_client_remote_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_server_queue_seconds{method=Echo,service=echo.EchoService}", 5.0),
        ("mprpc_server_handler_seconds{method=Echo,service=echo.EchoService}", 5.0),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_part_of_the_time_of_a_call_is_told_as_what_it_is() {
    const MS: Duration = Duration::from_millis(1);
    let (mut told, _guard) = Told::listen();
    let fleet = Fleet::new(["a"]).await;
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    client.echo(&soon(), echo_req("connects")).await.unwrap();
    fleet.network.latency("a", 50 * MS);
    let slow = EchoSlowlyReq { payload: "x".into(), delay_ms: 1000 };
    client.echo_slowly(&soon(), slow).await.unwrap();
    told.wait_for(&[
        ("mprpc_client_call_seconds{method=EchoSlowly,service=echo.EchoService}", 1.0),
        ("mprpc_server_handler_seconds{method=EchoSlowly,service=echo.EchoService}", 1.0),
    ])
    .await;
    for (name, expected) in [
        ("mprpc_client_call_seconds", 1100 * MS),
        ("mprpc_client_queue_seconds", Duration::ZERO),
        ("mprpc_client_write_seconds", Duration::ZERO),
        ("mprpc_client_network_seconds", 100 * MS),
        ("mprpc_client_remote_seconds", 1000 * MS),
        ("mprpc_server_queue_seconds", Duration::ZERO),
        ("mprpc_server_handler_seconds", 1000 * MS),
    ] {
        let seen = told.last(name);
        assert!(seen.abs_diff(expected) < 20 * MS, "{name}: {seen:?}, and not {expected:?}");
    }
}

#[tokio::test]
async fn a_stream_is_counted_from_its_opening_to_its_end() {
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let client = server.client();
    let (requests, mut answers) = client.chat(&soon()).await.unwrap();
    told.wait_for(&[
        ("mprpc_client_calls_in_flight{method=Chat,service=echo.EchoService}", 1.0),
        ("mprpc_server_calls_in_flight{method=Chat,service=echo.EchoService}", 1.0),
    ])
    .await;
    // Nothing of it is lost when the stub goes first.
    drop(client);
    requests.finish();
    assert!(answers.next().await.unwrap().is_none());
    told.wait_for(&[
        ("mprpc_client_calls_total{code=Ok,method=Chat,service=echo.EchoService}", 1.0),
        ("mprpc_server_calls_total{code=Ok,method=Chat,service=echo.EchoService}", 1.0),
        ("mprpc_client_calls_in_flight{method=Chat,service=echo.EchoService}", 0.0),
        ("mprpc_server_calls_in_flight{method=Chat,service=echo.EchoService}", 0.0),
    ])
    .await;
}

/// The names of the crate's page.
fn documented() -> BTreeSet<&'static str> {
    let page = include_str!("../../../src/metrics.md");
    let mut names = BTreeSet::new();
    for name in page.split('`').filter(|word| word.starts_with("mprpc_")) {
        assert!(names.insert(name), "{name} stands there twice");
    }
    names
}

/// The files of a folder and of those below it.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

/// The names that stand as literals, up to labels, in the files of a folder.
fn names_in(folder: &str) -> BTreeSet<String> {
    let files = files_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let name_of = |literal: &str| {
        let end = literal.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        format!("mprpc_{}", &literal[..end.unwrap_or(literal.len())])
    };
    texts.flat_map(|text| text.split("\"mprpc_").skip(1).map(name_of).collect::<Vec<_>>()).collect()
}

#[test]
fn every_metric_is_documented_and_asserted_and_no_other_is() {
    let documented: BTreeSet<_> = documented().into_iter().map(str::to_owned).collect();
    assert_eq!(names_in("src"), documented);
    let mut asserted = names_in("tests/it");
    // It takes a listener that fails, and so is asserted beside the code.
    asserted.insert("mprpc_accept_failures_total".to_owned());
    let missing: Vec<_> = documented.difference(&asserted).collect();
    assert!(missing.is_empty(), "no test asserts {missing:?}");
}

#[tokio::test]
async fn every_documented_metric_of_calls_is_there_on_either_wire() {
    const LABELS: &str = "{method=Echo,service=echo.EchoService}";
    let mut documented = documented();
    documented
        .retain(|name| name.starts_with("mprpc_client_") || name.starts_with("mprpc_server_"));
    documented.remove("mprpc_server_connections");
    documented.remove("mprpc_client_protocol_errors_total");
    assert_eq!(documented.len(), 15, "{documented:?}");

    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    for client in [server.client(), server.classic_client()] {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    let slow = server.client();
    let slow = tokio::spawn(async move { slow.echo_slowly(&soon(), slow_req("x")).await });
    told.wait_for(&[
        ("mprpc_client_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 1.0),
        ("mprpc_server_calls_in_flight{method=EchoSlowly,service=echo.EchoService}", 1.0),
        ("mprpc_client_calls_total{code=Ok,method=Echo,service=echo.EchoService}", 2.0),
        ("mprpc_server_calls_total{code=Ok,method=Echo,service=echo.EchoService}", 2.0),
        (&format!("mprpc_client_call_seconds{LABELS}"), 2.0),
        (&format!("mprpc_server_handler_seconds{LABELS}"), 2.0),
    ])
    .await;
    slow.abort();
    for name in documented {
        let mut series = told.seen.iter().filter(|(key, _)| key.split('{').next() == Some(name));
        assert!(series.any(|(_, value)| *value > 0.0), "{name} in {:#?}", told.seen);
    }
}
