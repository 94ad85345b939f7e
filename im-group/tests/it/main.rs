//! im-group as a whole: started as its binary starts it, called as other services call it, beside
//! an im-message that may be there or not.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod instances;
mod messages;

use std::path::Path;
use std::time::Duration;

use im_common::{DRAIN, Deps, Running, Target};
use im_group::{Config, StartError};
use mpim_proto::{CreateGroupReq, JoinGroupReq, MembershipChange, group_service};
use mprpc::discovery::Memory;
use mprpc::{Channel, Context};

use messages::Messages;

/// As long as a busy machine may take to tell an im-message that is there.
const PATIENT: u32 = 60_000;
/// Nobody is there to be told.
const IMPATIENT: u32 = 100;

async fn start(data_dir: &Path, memory: &Memory) -> Result<Running, StartError> {
    start_with(PATIENT, data_dir, memory).await
}

async fn start_with(
    hand_over_timeout_ms: u32,
    data_dir: &Path,
    memory: &Memory,
) -> Result<Running, StartError> {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.rpc.listen.set_port(0);
    config.targets.message = Target::memory();
    config.hand_over.timeout_ms = hand_over_timeout_ms;
    config.hand_over.sweep_interval_ms = 10;
    config.hand_over.backoff_min_ms = 1;
    config.hand_over.backoff_max_ms = 10;
    im_group::start(config, Deps::new(memory.clone())).await
}

fn client(target: &str, memory: &Memory) -> group_service::Client {
    group_service::Client::new(&Channel::builder(target).memory(memory).build().unwrap())
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(30))
}

fn create(name: &str) -> CreateGroupReq {
    let (group_name, description) = (name.to_owned(), String::new());
    CreateGroupReq { creator_id: 7, group_name, description }
}

#[tokio::test]
async fn it_answers_on_both_wires_and_in_the_same_process() {
    let (directory, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let messages = Messages::start(&memory).await;
    let running = start(directory.path(), &memory).await.unwrap();
    let address = format!("static://{}", running.addr);
    for (id, target) in
        [&address, &format!("{address}?wire=classic"), "memory://"].into_iter().enumerate()
    {
        let client = client(target, &memory);
        let answer = client.create_group(&cx(), create(&format!("group{id}"))).await.unwrap();
        assert_eq!(answer.result.unwrap().msg, "group created");
        assert_eq!(answer.group_id, id as i64 + 1, "{target}");
    }
    assert_eq!(messages.changes(3, 7), [MembershipChange::Join]);
    running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn what_was_decided_while_im_message_was_away_reaches_it_after_a_restart() {
    let (directory, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let running = start_with(IMPATIENT, directory.path(), &memory).await.unwrap();
    let client = client("memory://", &memory);
    client.create_group(&cx(), create("rust")).await.unwrap_err();
    client.join_group(&cx(), JoinGroupReq { user_id: 8, group_id: 1 }).await.unwrap_err();
    running.stop(DRAIN).await.unwrap();

    let running = start(directory.path(), &memory).await.unwrap();
    let messages = Messages::start(&memory).await;
    let both = async { tokio::join!(messages.told_of(1, 7), messages.told_of(1, 8)) };
    let told = tokio::time::timeout(Duration::from_secs(30), both).await;
    assert!(told.is_ok(), "im-message was told only of {messages:?}");
    assert_eq!(messages.changes(1, 7), [MembershipChange::Join]);
    assert_eq!(messages.changes(1, 8), [MembershipChange::Join]);
    running.stop(DRAIN).await.unwrap();
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
