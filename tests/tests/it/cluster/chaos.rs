//! Faults in rounds, on servers that they may stop.

use mpim_tests::chaos::Fault;
use mpim_tests::{Layout, Stack};

use crate::chaos::holds;

async fn holds_on_a_cluster(faults: &[Fault]) {
    if Stack::cluster_on_its_own_servers().await.is_some() {
        holds(Layout::Cluster, faults).await;
    }
}

#[tokio::test]
async fn a_cluster_survives_what_its_database_does_to_it() {
    let faults = [Fault::CommitLost, Fault::MariaDbKilled, Fault::MariaDbSlow, Fault::MariaDbCut];
    holds_on_a_cluster(&faults).await;
}

#[tokio::test]
async fn a_cluster_follows_redis_to_its_replica_and_starts_without_zookeeper() {
    holds_on_a_cluster(&[Fault::RedisFailover, Fault::ZooKeeperAway]).await;
}

#[tokio::test]
async fn a_cluster_survives_redis_zookeeper_and_cuts() {
    let faults = [Fault::RedisWiped, Fault::ZooKeeperDown, Fault::CutService, Fault::ResetClients];
    holds_on_a_cluster(&faults).await;
}
