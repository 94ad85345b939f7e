//! The adapter on a real server: the suite on two instances, and what a fault leaves behind.

mod faults;

use std::sync::Arc;

use im_common::mysql::{DatabaseConfig, MySql};
use im_common::{Readiness, Shutdown};
use test_servers::Database;

use super::{MIGRATIONS, MysqlStore};
use crate::store::conformance;

async fn open(url: String) -> MysqlStore {
    open_with(DatabaseConfig { url: url.as_str().into(), ..DatabaseConfig::default() }).await
}

async fn open_with(config: DatabaseConfig) -> MysqlStore {
    let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
    let opening = MySql::open(&config, MIGRATIONS, &readiness, &shutdown);
    MysqlStore::new(opening.await.unwrap())
}

/// Two instances on one database.
async fn two(database: &Database) -> conformance::Instances<MysqlStore> {
    let (one, other) = tokio::join!(open(database.url()), open(database.url()));
    vec![Arc::new(one), Arc::new(other)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_on_one_database_conform_to_the_port() {
    let Some(server) = test_servers::mariadb().await else { return };
    let mut databases = Vec::new();
    conformance::run(async || {
        let database = server.fresh_database("user");
        let instances = two(&database).await;
        databases.push(database);
        instances
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("user");
    conformance::write_one_of_each(&open(database.url()).await).await;
    conformance::assert_one_of_each(&open(database.url()).await).await;
}

/// Bytes are compared as bytes, whatever collations think of them.
#[tokio::test]
async fn only_the_very_same_key_finds_an_account() {
    use crate::store::UserStore as _;
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("user");
    let store = open(database.url()).await;
    conformance::write_one_of_each(&store).await;
    for other in ["ALICE", "alice ", "al\u{ed}ce", "alice\0", "\u{1f980}", ""] {
        let found = store.credentials(other.to_owned()).await.unwrap();
        assert!(found.is_none(), "{other:?}");
    }
}
