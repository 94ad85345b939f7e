//! im-message as its callers see it: started from a configuration, called over sockets, on a
//! SQLite file.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../src/tests/neighbours.rs"]
#[expect(dead_code, reason = "the tests inside the crate use the rest of it")]
mod neighbours;

#[cfg(test)]
mod instances;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use im_common::{Deps, RpcConfig, Running, Target};
use im_message::{Config, StartError, start};
use mpim_proto::message_service::Client;
use mpim_proto::{
    AdvanceCursorsReq, C2cMsg, ChangeMembershipReq, CursorMove, FetchRangeReq, ListBehindReq,
    Outgoing, PullOfflineReq, SendBatchReq, SendGroupReq, SendReq, presence_service,
    send_batch_req, user_service,
};
use mprpc::discovery::Memory;
use mprpc::{Channel, Context, Server};

use self::neighbours::{Presence, Users};

const DRAIN: Duration = Duration::from_secs(10);

/// im-message with an im-user and an im-presence beside it.
struct World {
    running: Running,
    client: Client,
    presence: Arc<Presence>,
}

impl World {
    async fn start(data_dir: &Path) -> Self {
        Self::start_with(config(data_dir)).await
    }

    async fn start_with(config: Config) -> Self {
        let (memory, presence) = neighbours().await;
        let running = start(config, Deps::new(memory)).await.unwrap();
        let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
        Self { running, client: Client::new(&channel), presence }
    }

    async fn send(&self, from: i64, to: i64, text: &str) -> mpim_proto::SendResp {
        let answer = self.client.send(&cx(), message(from, to, text)).await.unwrap();
        assert!(answer.result.as_ref().unwrap().is_ok(), "{answer:?}");
        answer
    }

    async fn history(&self, user_id: i64, conv_id: &str) -> Vec<mpim_proto::Entry> {
        let mut entries = Vec::new();
        let mut after_seq = 0;
        loop {
            let conv_id = conv_id.to_owned();
            let request = FetchRangeReq { user_id, conv_id, after_seq, limit: 100, before_seq: 0 };
            let range = self.client.fetch_range(&cx(), request).await.unwrap();
            entries.extend(range.entries);
            after_seq = range.complete_to;
            if after_seq == range.head {
                return entries;
            }
        }
    }
}

/// An im-user and an im-presence, and where they are found.
async fn neighbours() -> (Memory, Arc<Presence>) {
    let memory = Memory::new();
    let presence = Presence::new();
    let neighbours = Server::builder()
        .add_service(user_service::serve::<Users>(Users::new(1..=99)))
        .add_service(presence_service::serve::<Presence>(presence.clone()))
        .register(memory.clone())
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    tokio::spawn(neighbours.serve(std::future::pending()));
    (memory, presence)
}

fn config(data_dir: &Path) -> Config {
    let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
    config.rpc = RpcConfig::on_loopback(0);
    config.targets.user = Target::memory();
    config.targets.presence = Target::memory();
    config
}

fn message(from: i64, to: i64, text: &str) -> SendReq {
    let msg = C2cMsg { from, to, text: text.to_owned(), ..C2cMsg::default() };
    SendReq { msg: Some(msg), ..SendReq::default() }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(20))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sent_message_is_in_the_history_and_reaches_im_presence() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path()).await;
    let sent = world.send(1, 2, "hello").await;
    let entries = world.history(2, "c2c_1_2").await;
    assert_eq!((entries.len(), entries[0].msg_id), (1, sent.msg_id));
    let arrived = |presence: &Presence| !presence.delivered().is_empty();
    world.presence.until("the dispatch", arrived).await;
    assert_eq!(world.presence.delivered(), [("c2c_1_2".to_owned(), 1, vec![1, 2])]);
    world.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn original_callers_send_and_pull_over_the_classic_wire() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path()).await;
    let target = format!("static://{}?wire=classic", world.running.addr);
    let classic = Client::new(&Channel::builder(target).build().unwrap());
    let sent = classic.send(&cx(), message(1, 2, "hello")).await.unwrap();
    for waiting in [vec![sent.msg_id], vec![]] {
        let pulled = classic.pull_offline(&cx(), PullOfflineReq { user_id: 2 }).await.unwrap();
        let ids: Vec<_> = pulled.msg_list.iter().map(|message| message.msg_id).collect();
        assert_eq!(ids, waiting);
    }
    world.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart_and_numbers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path()).await;
    let before = world.send(1, 2, "before").await;
    world.send(3, 2, "of another").await;
    let moves = vec![CursorMove { conv_id: "c2c_1_2".to_owned(), seq: 1 }];
    let device = "text".to_owned();
    let read = AdvanceCursorsReq { user_id: 2, device: device.clone(), moves };
    world.client.advance_cursors(&cx(), read).await.unwrap();
    world.running.stop(DRAIN).await.unwrap();

    let world = World::start(directory.path()).await;
    let after = world.send(1, 2, "after").await;
    assert_eq!(after.seq, 2);
    assert!(after.msg_id > before.msg_id);
    let request = ListBehindReq { user_id: 2, device, ..ListBehindReq::default() };
    let behind = world.client.list_behind(&cx(), request).await.unwrap().positions;
    let behind: Vec<_> = behind.iter().map(|at| (&*at.conv_id, at.cursor, at.head)).collect();
    assert_eq!(behind, [("c2c_1_2", 1, 2), ("c2c_2_3", 0, 1)]);
    // Whatever the end before may have cut off.
    let resynced = |presence: &Presence| presence.taken().iter().any(|dispatch| dispatch.resync);
    world.presence.until("the resync", resynced).await;
    world.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_at_once_get_one_dense_order_and_everyone_is_told_in_it() {
    const SENDERS: i64 = 20;
    const BATCHES: i64 = 10;
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path()).await;
    for user_id in 1..=SENDERS {
        let change_id = format!("join {user_id}");
        let join = ChangeMembershipReq { group_id: 7, user_id, change: 0, change_id };
        world.client.change_membership(&cx(), join).await.unwrap();
    }
    let sender = |from: i64| {
        let client = world.client.clone();
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..BATCHES {
                let outgoing = |k: i64| Outgoing {
                    client_msg_id: format!("{n} {k}"),
                    text: format!("{from} {n} {k}"),
                };
                let messages: Vec<_> = (0..3).map(outgoing).collect();
                let to = Some(send_batch_req::To::ToGroup(7));
                let request = SendBatchReq {
                    from,
                    to,
                    messages: messages.clone(),
                    ..SendBatchReq::default()
                };
                // As after a lost answer: the same again, at the same time.
                let twice = (cx(), cx());
                let (first, second) = tokio::join!(
                    client.send_batch(&twice.0, request.clone()),
                    client.send_batch(&twice.1, request),
                );
                let first = first.unwrap().outcomes;
                assert_eq!(first, second.unwrap().outcomes);
                let texts = messages.into_iter().map(|message| message.text);
                acknowledged.extend(first.iter().map(|outcome| outcome.seq).zip(texts));
            }
            assert!(acknowledged.is_sorted(), "{from} was overtaken by itself");
            acknowledged
        }
    };
    let senders: Vec<_> = (1..=SENDERS).map(|from| tokio::spawn(sender(from))).collect();
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    acknowledged.sort();
    let entries = world.history(1, "grp_7").await;
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    let count = SENDERS + SENDERS * BATCHES * 3;
    assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
    let texts = entries.into_iter().filter(|entry| !entry.text.is_empty());
    let texts: Vec<_> = texts.map(|entry| (entry.seq, entry.text)).collect();
    assert_eq!(texts, acknowledged);
    let all = usize::try_from(count).unwrap();
    world.presence.until("all dispatches", |presence| presence.delivered().len() == all).await;
    let told: Vec<_> = world.presence.delivered().iter().map(|(_, seq, _)| *seq).collect();
    assert_eq!(told, seqs);
    world.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path()).await;
    let refused = start(config(directory.path()), Deps::default()).await.unwrap_err();
    assert!(matches!(refused, StartError::DataDir(_)), "{refused}");
    assert!(refused.to_string().contains("is in use"), "{refused}");
    world.running.stop(DRAIN).await.unwrap();
    World::start(directory.path()).await.running.stop(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_port_is_taken_has_told_nobody_anything_and_holds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (memory, presence) = neighbours().await;
    let mut config = config(directory.path());
    config.rpc = RpcConfig::on_loopback(taken.local_addr().unwrap().port());
    let refused = start(config.clone(), Deps::new(memory.clone())).await.unwrap_err();
    assert!(matches!(refused, StartError::Listen(_)), "{refused}");
    // Whatever went on in the background would hold the directory, or have told of a resync.
    config.rpc = RpcConfig::on_loopback(0);
    let running = start(config, Deps::new(memory)).await.unwrap();
    presence.until("the resync", |presence| !presence.taken().is_empty()).await;
    running.stop(DRAIN).await.unwrap();
    assert_eq!(presence.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_works_and_ends_without_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.users.timeout_ms = 100;
    // Nobody listens there.
    config.targets.user = Target::on_loopback(1);
    config.targets.presence = Target::on_loopback(1);
    let running = start(config, Deps::default()).await.unwrap();
    let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
    let client = Client::new(&channel);
    let refused = client.send(&cx(), message(1, 2, "hello")).await.unwrap_err();
    assert_eq!(refused.code(), mprpc::Code::Unavailable, "{refused}");
    let empty = client.send_group(&cx(), SendGroupReq::default()).await.unwrap();
    assert!(!empty.result.unwrap().is_ok());
    running.stop(DRAIN).await.unwrap();
}
