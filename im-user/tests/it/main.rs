//! im-user as a whole: started as its binary starts it, called as other services call it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod instances;

use std::path::Path;
use std::time::Duration;

use im_common::{DRAIN, Deps, Running};
use im_user::{Config, StartError};
use mpim_proto::{LoginReq, PingReq, RegisterReq, VerifyTokenReq, health_service, user_service};
use mprpc::discovery::Memory;
use mprpc::{Channel, Context};

async fn start(data_dir: &Path, memory: &Memory) -> Result<Running, StartError> {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.rpc.listen.set_port(0);
    config.password.memory_kib = 8;
    config.password.passes = 1;
    im_user::start(config, Deps::new(memory.clone())).await
}

fn client(target: &str, memory: &Memory) -> user_service::Client {
    user_service::Client::new(&channel(target, memory))
}

fn channel(target: &str, memory: &Memory) -> Channel {
    Channel::builder(target).memory(memory).build().unwrap()
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(30))
}

async fn register(client: &user_service::Client, name: &str) -> i64 {
    let (username, password) = (name.to_owned().into(), "correct horse".into());
    let answer = client
        .register(&cx(), RegisterReq { username, password, ..RegisterReq::default() })
        .await
        .unwrap();
    assert!(answer.result.unwrap().is_ok());
    answer.user_id
}

#[tokio::test]
async fn it_answers_on_both_wires_and_in_the_same_process() {
    let (directory, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let running = start(directory.path(), &memory).await.unwrap();
    let address = format!("static://{}", running.addr);
    for (id, target) in
        [&address, &format!("{address}?wire=classic"), "memory://"].into_iter().enumerate()
    {
        let user_id = register(&client(target, &memory), &format!("user{id}")).await;
        assert_eq!(user_id, id as i64 + 1, "{target}");
    }

    let health = health_service::Client::new(&channel(&address, &memory));
    let answer = health.ping(&cx(), PingReq { payload: "anyone there".into() }).await.unwrap();
    assert_eq!(answer.echo, "anyone there");
    running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn accounts_and_tokens_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let log_in = async |client: &user_service::Client| {
        let (username, password) = ("alice".into(), "correct horse".into());
        client.login(&cx(), LoginReq { username, password, ..LoginReq::default() }).await.unwrap()
    };
    // A restart is another process, which knows nothing of the first one's instances.
    let memory = Memory::new();
    let running = start(directory.path(), &memory).await.unwrap();
    let before = client("memory://", &memory);
    assert_eq!(register(&before, "alice").await, 1);
    let token = log_in(&before).await.token;
    running.stop(DRAIN).await.unwrap();

    let memory = Memory::new();
    let running = start(directory.path(), &memory).await.unwrap();
    let after = client("memory://", &memory);
    assert_eq!(log_in(&after).await.user_id, 1);
    let answer = after
        .verify_token(&cx(), VerifyTokenReq { token, ..VerifyTokenReq::default() })
        .await
        .unwrap();
    assert_eq!(answer.user_id, 1, "the key that signed it was kept");
    assert_eq!(register(&after, "bob").await, 2);
    running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn a_target_that_leads_nowhere_is_named_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
    config.original.enabled = true;
    config.original.presence = "zk://".to_owned().try_into().unwrap();
    let refused = im_user::start(config, Deps::new(Memory::new())).await.unwrap_err();
    assert!(refused.to_string().starts_with("original.presence: "), "{refused}");
}

#[tokio::test]
async fn a_second_one_on_the_same_data_is_refused_while_the_first_runs() {
    let (directory, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let running = start(directory.path(), &memory).await.unwrap();
    let refused = start(directory.path(), &memory).await.unwrap_err();
    assert!(matches!(refused, StartError::DataDir(_)), "{refused}");
    assert!(refused.to_string().contains("in use"), "{refused}");
    running.stop(DRAIN).await.unwrap();
    start(directory.path(), &memory).await.unwrap().stop(DRAIN).await.unwrap();
}
