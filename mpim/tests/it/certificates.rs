//! Services, and a tool, that know each other by the certificates that `mpim cert` makes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use im_common::{
    ClassicConfig, Deps, RpcConfig, Running, ServiceConfig, ServiceTlsConfig, Target, Trust,
};
use mpim_proto::{CreateGroupReq, GroupMsg, SendGroupReq, group_service, message_service};
use mprpc::{Channel, Code, Context, Executed};
use tempfile::TempDir;
use tokio::time::Instant;

use super::program::outcome;

const SOON: Duration = Duration::from_secs(30);

fn soon() -> Context {
    Context::with_timeout(SOON)
}

/// What `mpim cert` makes, as a service's configuration names it.
fn made(dir: &Path) -> ServiceTlsConfig {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
    command.args(["cert", "--host", "127.0.0.1", "--out"]).arg(dir);
    let (code, _, stderr) = outcome(&mut command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    ServiceTlsConfig {
        cert_file: dir.join("service.pem"),
        key_file: dir.join("service.key"),
        ca_file: dir.join("ca.pem"),
        server_name: String::new(),
        required: true,
    }
}

fn trust(tls: &ServiceTlsConfig, token_file: &str) -> Trust {
    let service =
        ServiceConfig { token_file: token_file.into(), tls: tls.clone(), ..Default::default() };
    Trust::open(&service, &ClassicConfig::default()).unwrap()
}

fn channel(addr: SocketAddr, trust: &Trust) -> Channel {
    trust.show(Channel::builder(format!("static://{addr}"))).build().unwrap()
}

async fn serve_messages(data_dir: PathBuf, trust: Trust) -> Running {
    let mut config = im_message::Config { data_dir, ..Default::default() };
    config.rpc = RpcConfig::on_loopback(0);
    config.targets.presence = Target::on_loopback(1);
    im_message::start(config, Deps { trust, ..Deps::default() }).await.unwrap()
}

/// A member may write: im-group has told im-message so.
async fn until_member(channel: &Channel, group_id: i64) {
    let client = message_service::Client::new(channel);
    let until = Instant::now() + SOON;
    loop {
        let text = "hello".to_owned();
        let msg = Some(GroupMsg { from: 1, group_id, text, ..GroupMsg::default() });
        let answer = client.send_group(&soon(), SendGroupReq { msg, ..Default::default() }).await;
        let result = answer.unwrap().result.unwrap_or_default();
        if result.code == 0 {
            return;
        }
        assert!(Instant::now() < until, "{result:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_have_certificates_call_each_other_and_nobody_else_calls_them() {
    let dir = TempDir::new().unwrap();
    let tls = made(&dir.path().join("tls"));
    let ours = trust(&tls, "");
    assert!(ours.asks());
    let message = serve_messages(dir.path().join("message"), ours.clone()).await;
    let mut config = im_group::Config { data_dir: dir.path().join("group"), ..Default::default() };
    config.rpc = RpcConfig::on_loopback(0);
    config.targets.message = Target::on_loopback(message.addr.port());
    let deps = Deps { trust: ours.clone(), ..Deps::default() };
    let group = im_group::start(config, deps).await.unwrap();

    let groups = group_service::Client::new(&channel(group.addr, &ours));
    let create =
        CreateGroupReq { creator_id: 1, group_name: "band".to_owned(), ..Default::default() };
    let group_id = groups.create_group(&soon(), create).await.unwrap().group_id;
    until_member(&channel(message.addr, &ours), group_id).await;

    let forged = made(&dir.path().join("forged"));
    let of_clients = |name: &str| dir.path().join("tls").join(name);
    for (what, tls, code, text) in [
        (
            "no certificate",
            ServiceTlsConfig { ca_file: tls.ca_file.clone(), ..Default::default() },
            Code::Unauthenticated,
            "service.tls",
        ),
        ("nothing", ServiceTlsConfig::default(), Code::Unavailable, "in TLS only"),
        (
            "one of another authority",
            ServiceTlsConfig { ca_file: tls.ca_file.clone(), ..forged.clone() },
            Code::Unavailable,
            "received fatal alert",
        ),
        (
            "one that proves a server",
            ServiceTlsConfig {
                cert_file: of_clients("server.pem"),
                key_file: of_clients("server.key"),
                ..tls.clone()
            },
            Code::Unavailable,
            "received fatal alert",
        ),
        ("belief in others", forged, Code::Unavailable, "invalid peer certificate"),
    ] {
        let groups = group_service::Client::new(&channel(group.addr, &trust(&tls, "")));
        let status = groups.create_group(&soon(), CreateGroupReq::default()).await.unwrap_err();
        assert_eq!((status.code(), status.executed()), (code, Executed::No), "{what}: {status}");
        assert!(status.to_string().contains(text), "{what}: {status}");
    }
    let classic = Channel::builder(format!("static://{}?wire=classic", group.addr));
    let groups = group_service::Client::new(&classic.build().unwrap());
    assert!(groups.create_group(&soon(), CreateGroupReq::default()).await.is_err());
    group.stop(SOON).await.unwrap();
    message.stop(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_shows_the_token_in_tls_where_a_service_takes_nothing_else() {
    let dir = TempDir::new().unwrap();
    let tls = made(&dir.path().join("tls"));
    let token_file = dir.path().join("service.token").display().to_string();
    let ours = trust(&tls, &token_file);
    let message = serve_messages(dir.path().join("message"), ours).await;
    let list = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
        command.args(["dead-letters", "list", "--message", &message.addr.to_string()]);
        outcome(command.args(["--token-file", &token_file]).args(more))
    };
    let (code, _, stderr) = list(&[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("in TLS only"), "{stderr}");
    let ca_file = tls.ca_file.to_str().unwrap();
    assert_eq!(list(&["--ca-file", ca_file]).1, "0 dead letters\n");
    let (_, _, stderr) = list(&["--ca-file", ca_file, "--server-name", "elsewhere"]);
    assert!(stderr.contains("certificate not valid for name"), "{stderr}");
    message.stop(SOON).await.unwrap();
}
