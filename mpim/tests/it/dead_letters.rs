//! `mpim dead-letters` against an im-message whose im-presence is not there.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use im_common::{ClassicConfig, Deps, RpcConfig, ServiceConfig, Target, Trust};
use mpim_proto::{ChangeMembershipReq, message_service};
use mprpc::{Channel, Context};
use tempfile::TempDir;

use super::program::outcome;

fn dead_letters(addr: SocketAddr, arguments: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
    command.arg("dead-letters").args(arguments.split_whitespace());
    outcome(command.args(["--message", &addr.to_string()]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_was_given_up_on_and_decides() {
    let dir = TempDir::new().unwrap();
    let mut config = im_message::Config { data_dir: dir.path().to_owned(), ..Default::default() };
    config.rpc = RpcConfig::on_loopback(0);
    // Nobody listens there.
    config.targets.presence = Target::on_loopback(1);
    config.dispatch.age_ms_max = 1;
    let running = im_message::start(config, Deps::default()).await.unwrap();
    let addr = running.addr;
    assert_eq!(dead_letters(addr, "list"), (Some(0), "0 dead letters\n".into(), String::new()));

    let channel = Channel::builder(format!("static://{addr}")).build().unwrap();
    let change_id = "c".to_owned();
    let join = ChangeMembershipReq { group_id: 7, user_id: 1, change: 0, change_id };
    let cx = Context::with_timeout(Duration::from_secs(20));
    message_service::Client::new(&channel).change_membership(&cx, join).await.unwrap();
    let listing = async {
        loop {
            let (code, list, stderr) = dead_letters(addr, "list");
            assert_eq!((code, stderr), (Some(0), String::new()));
            if list.ends_with("1 dead letters\n") {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let list = tokio::time::timeout(Duration::from_secs(30), listing).await.unwrap();
    let expected = "id=1 conv=grp_7 seqs=1..1 tries=";
    assert!(list.starts_with(expected), "{list}");
    assert!(list.contains(" reason=im-presence did not take it in time: "), "{list}");

    let (code, stdout, stderr) = dead_letters(addr, "replay --all");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let said = "mpim dead-letters: 0 replayed, then: im-presence did not take it: ";
    assert!(stderr.starts_with(said), "{stderr}");
    assert_eq!(dead_letters(addr, "drop 1 2"), (Some(0), "1 dropped\n".into(), String::new()));
    assert_eq!(dead_letters(addr, "drop --all"), (Some(0), "0 dropped\n".into(), String::new()));
    running.stop(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_has_to_show_the_token_of_the_services() {
    let dir = TempDir::new().unwrap();
    let token_file = dir.path().join("service.token");
    let service = ServiceConfig { token_file: token_file.clone(), ..ServiceConfig::default() };
    let trust = Trust::open(&service, &ClassicConfig::default()).unwrap();
    let mut config = im_message::Config { data_dir: dir.path().to_owned(), ..Default::default() };
    config.rpc = RpcConfig::on_loopback(0);
    let running = im_message::start(config, Deps { trust, ..Deps::default() }).await.unwrap();
    let (code, _, stderr) = dead_letters(running.addr, "list");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("service.token_file") && stderr.contains("--token-file"), "{stderr}");
    let list = format!("list --token-file {}", token_file.display());
    assert_eq!(dead_letters(running.addr, &list).1, "0 dead letters\n");
    running.stop(Duration::from_secs(10)).await.unwrap();
}
