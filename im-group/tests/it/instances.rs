//! Several im-groups on one database server.

use std::path::Path;
use std::time::Duration;

use im_common::{DRAIN, Deps, Running, Target};
use im_group::Config;
use mpim_proto::{GetGroupMembersReq, JoinGroupReq, MembershipChange, group_service};
use mprpc::Channel;
use mprpc::discovery::Memory;

use super::messages::Messages;
use super::{IMPATIENT, PATIENT, create, cx};

async fn start(database_url: &str, data_dir: &Path, memory: &Memory) -> Running {
    start_with(PATIENT, database_url, data_dir, memory).await
}

async fn start_with(
    hand_over_timeout_ms: u32,
    database_url: &str,
    data_dir: &Path,
    memory: &Memory,
) -> Running {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.rpc.listen.set_port(0);
    config.database.url = database_url.into();
    config.targets.message = Target::memory();
    config.hand_over.timeout_ms = hand_over_timeout_ms;
    config.hand_over.sweep_interval_ms = 10;
    config.hand_over.backoff_min_ms = 1;
    config.hand_over.backoff_max_ms = 10;
    im_group::start(config, Deps::new(memory.clone())).await.unwrap()
}

fn client(running: &Running) -> group_service::Client {
    let target = format!("static://{}", running.addr);
    group_service::Client::new(&Channel::builder(target).build().unwrap())
}

#[tokio::test]
async fn two_instances_share_groups_and_need_no_data_directory() {
    let Some(server) = test_servers::mariadb().await else { return };
    let (database, directory) = (server.fresh_database("group"), tempfile::tempdir().unwrap());
    let (data_dir, memory) = (directory.path().join("data"), Memory::new());
    let messages = Messages::start(&memory).await;
    let url = database.url();
    let (one, other) =
        tokio::join!(start(&url, &data_dir, &memory), start(&url, &data_dir, &memory));
    assert_eq!(client(&one).create_group(&cx(), create("rust")).await.unwrap().group_id, 1);
    let join = JoinGroupReq { user_id: 8, group_id: 1 };
    let joined = client(&other).join_group(&cx(), join).await.unwrap().result.unwrap();
    assert_eq!(joined.msg, "joined group");
    assert_eq!(messages.changes(1, 8), [MembershipChange::Join]);
    let req = GetGroupMembersReq { group_id: 1 };
    let members = client(&one).get_group_members(&cx(), req).await.unwrap();
    assert_eq!(members.member_ids, [7, 8]);
    assert!(!data_dir.exists());
    one.stop(DRAIN).await.unwrap();
    other.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn what_an_instance_left_pending_is_finished_by_another() {
    let Some(server) = test_servers::mariadb().await else { return };
    let (database, directory) = (server.fresh_database("group"), tempfile::tempdir().unwrap());
    let memory = Memory::new();
    let one = start_with(IMPATIENT, &database.url(), directory.path(), &memory).await;
    client(&one).create_group(&cx(), create("rust")).await.unwrap_err();
    one.stop(DRAIN).await.unwrap();

    let memory = Memory::new();
    let messages = Messages::start(&memory).await;
    let other = start(&database.url(), directory.path(), &memory).await;
    let told = tokio::time::timeout(Duration::from_secs(30), messages.told_of(1, 7)).await;
    assert!(told.is_ok(), "im-message was not told");
    assert_eq!(messages.changes(1, 7), [MembershipChange::Join]);
    other.stop(DRAIN).await.unwrap();
}
