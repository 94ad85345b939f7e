//! Several instances on one database server.

use super::*;

fn on_server(data_dir: &Path, url: String) -> Config {
    let mut config = config(data_dir);
    config.database.url = url.into();
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_serve_one_timeline_and_need_no_data_directory() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("instances");
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let first = World::start_with(on_server(&data_dir, database.url())).await;
    let second = World::start_with(on_server(&data_dir, database.url())).await;
    for n in 0..5 {
        assert_eq!(first.send(1, 2, "from one").await.seq, 2 * n + 1);
        assert_eq!(second.send(2, 1, "from the other").await.seq, 2 * n + 2);
    }
    let entries = second.history(1, "c2c_1_2").await;
    assert_eq!(entries, first.history(2, "c2c_1_2").await);
    assert!(entries.is_sorted_by_key(|entry| entry.msg_id));
    assert!(!data_dir.exists());
    let told = |presence: &Presence| presence.delivered().len() == 5;
    first.presence.until("what came by the one", told).await;
    second.presence.until("what came by the other", told).await;
    first.running.stop(DRAIN).await.unwrap();
    second.running.stop(DRAIN).await.unwrap();
    let outbox = database.execute("SELECT COUNT(*) FROM outbox");
    assert_eq!(outbox.trim(), "0", "both let go of what they had told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_did_not_live_to_tell_is_told_by_its_twin() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("untold");
    let directory = tempfile::tempdir().unwrap();
    let twin = World::start_with(on_server(directory.path(), database.url())).await;
    let dying = World::start_with(on_server(directory.path(), database.url())).await;
    dying.presence.refuse(Some(mprpc::Status::unavailable("not for you")));
    let sent = dying.send(1, 2, "hello").await;
    dying.running.stop(DRAIN).await.unwrap();
    let told = |presence: &Presence| !presence.delivered().is_empty();
    twin.presence.until("what the other left", told).await;
    assert_eq!(twin.presence.delivered(), [("c2c_1_2".to_owned(), sent.seq, vec![1, 2])]);
    let resyncs = twin.presence.taken().iter().filter(|dispatch| dispatch.resync).count();
    assert_eq!(resyncs, 0, "with an outbox nobody has to compare heads");
    twin.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_twin_could_not_tell_either_is_not_forgotten_with_it() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("refused");
    let directory = tempfile::tempdir().unwrap();
    let dying = World::start_with(on_server(directory.path(), database.url())).await;
    dying.presence.refuse(Some(mprpc::Status::unavailable("not for you")));
    dying.send(1, 2, "hello").await;
    dying.running.stop(DRAIN).await.unwrap();
    let twin = World::start_with(on_server(directory.path(), database.url())).await;
    // Neither the entry nor the resync that stands for it.
    twin.presence.refuse(Some(mprpc::Status::internal("broken")));
    twin.presence.until("both to be refused", |presence| presence.refused() >= 2).await;
    twin.presence.refuse(None);
    twin.presence.until("the next try", |presence| !presence.taken().is_empty()).await;
    twin.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_told_by_a_twin_if_nobody_lived_to_tell_of_a_resync() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("given_up");
    let directory = tempfile::tempdir().unwrap();
    let mut crowded = on_server(directory.path(), database.url());
    crowded.lane.count = 1;
    crowded.dispatch.queue_entries_max = 1;
    let dying = World::start_with(crowded).await;
    dying.presence.refuse(Some(mprpc::Status::unavailable("not for you")));
    for n in 0..3 {
        dying.send(1, 2, &n.to_string()).await;
    }
    let channel = Channel::builder(format!("static://{}", dying.running.addr)).build().unwrap();
    let operator = mpim_proto::dead_letter_service::Client::new(&channel);
    let waiting = async {
        loop {
            let list = mpim_proto::ListDeadLettersReq::default();
            let letters = operator.list_dead_letters(&cx(), list).await.unwrap().letters;
            if letters.iter().map(|it| it.last_seq - it.first_seq + 1).sum::<i64>() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    dying.running.stop(DRAIN).await.unwrap();
    let twin = World::start_with(on_server(directory.path(), database.url())).await;
    let all = |presence: &Presence| presence.delivered().len() == 3;
    twin.presence.until("all of them", all).await;
    twin.running.stop(DRAIN).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_ends_the_start_with_what_and_where() {
    let Some(server) = test_servers::mariadb().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = format!("mysql://mpim:hush@{}/test_refused", server.address());
    let refused = start(on_server(directory.path(), url), Deps::default()).await.unwrap_err();
    let said = im_common::in_one_line(&refused);
    assert!(said.contains(&server.address()) && !said.contains("hush"), "{said}");
}
