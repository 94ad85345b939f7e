//! Mistakes in what a cluster is given: each is one clear error that names what and where, and takes
//! nothing else down.

use mpim_tests::{Instance, Process, Service, Stack, free_address, is_ready, register_two, until};
use tempfile::TempDir;
use test_servers::Database;
use zookeeper_client::{Acls, Client, CreateMode};

use super::process;

/// im-user as `conf/cluster` configures it, on other servers.
fn im_user(directory: &TempDir, zookeeper: &str, settings: &[(&str, &str)]) -> Process {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/cluster/im-user.toml");
    let mut process = Process::new("im-user", directory.path())
        .argument("-i")
        .argument(file)
        .variable("MPIM_RPC__LISTEN", free_address().to_string())
        .variable("MPIM_ADMIN__LISTEN", free_address().to_string())
        .variable("MPIM_ZOOKEEPER__HOSTS", zookeeper)
        .variable("MPIM_REDIS__CACHE_URL", "");
    for (name, value) in settings {
        process = process.variable(*name, *value);
    }
    process
}

/// Its exit code and everything that it said, once it has ended by itself.
async fn refusal(mut process: Process) -> (Option<i32>, String) {
    process.start();
    let status = process.ended().await;
    (status.code(), process.log())
}

/// A database and a root for one test.
async fn servers() -> Option<(Database, String)> {
    let (mariadb, zookeeper) = (test_servers::mariadb().await?, test_servers::zookeeper().await?);
    Some((mariadb.fresh_database("mistake"), zookeeper.fresh_root().await))
}

#[tokio::test]
async fn a_database_url_that_makes_no_sense_is_named_by_its_key() {
    let Some((_, root)) = servers().await else { return };
    let directory = tempfile::tempdir().unwrap();
    for url in ["postgres://mpim:hush-hush@127.0.0.1/x", "mysql://mpim:hush-hush@127.0.0.1:13306"] {
        let process = im_user(&directory, &root, &[("MPIM_DATABASE__URL", url)]);
        let (code, said) = refusal(process).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("database.url") && !said.contains("hush-hush"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_names_the_server_and_keeps_the_password() {
    let Some((database, root)) = servers().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = database.url().replace("mpim:mpim@", "mpim:hush-hush@");
    let (code, said) = refusal(im_user(&directory, &root, &[("MPIM_DATABASE__URL", &url)])).await;
    assert_eq!(code, Some(1), "{said}");
    let place = url.split(['@', '/']).nth(3).unwrap();
    assert!(said.contains(place) && said.contains("refuses the user"), "{said}");
    assert!(!said.contains("hush-hush"), "{said}");
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused_with_both_versions() {
    let Some((database, root)) = servers().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = database.url();
    let mut process = im_user(&directory, &root, &[("MPIM_DATABASE__URL", &url)]);
    process.start();
    until("it has made its tables", async || {
        if process.log().contains("\"serving\"") { Ok(()) } else { Err(process.log_tail()) }
    })
    .await;
    process.stop().await;
    database.execute("INSERT INTO schema_step (version, statement, text) VALUES (99, 1, 'later')");
    let (code, said) = refusal(im_user(&directory, &root, &[("MPIM_DATABASE__URL", &url)])).await;
    assert_eq!(code, Some(1), "{said}");
    let said = said.lines().last().unwrap();
    for part in ["schema version 99", "knows versions up to", database.name()] {
        assert!(said.contains(part), "{said:?} without {part:?}");
    }
}

#[tokio::test]
async fn of_two_instances_with_one_id_the_second_is_refused_and_the_first_works_on() {
    let Some((database, root)) = servers().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = database.url();
    let settings = [("MPIM_DATABASE__URL", &*url), ("MPIM_ZOOKEEPER__INSTANCE_ID", "the-only-one")];
    let admin = free_address();
    let mut first =
        im_user(&directory, &root, &settings).variable("MPIM_ADMIN__LISTEN", admin.to_string());
    first.start();
    is_ready(admin).await;
    let (code, said) = refusal(im_user(&directory, &root, &settings).named("second")).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the-only-one"), "{said}");
    is_ready(admin).await;
    first.stop().await;
}

#[tokio::test]
async fn junk_in_zookeeper_is_named_once_and_hurts_nobody() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let client = Client::connect(stack.servers().zookeeper_root()).await.unwrap();
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let large = vec![b'{'; 100_000];
    let junk: [(&str, &[u8]); 4] = [
        ("/mprpc/mpim.MessageService/no-json", b"\xff\x00 not JSON"),
        ("/mprpc/mpim.MessageService/no-address", b"{}"),
        ("/mprpc/mpim.MessageService/bad-address", br#"{"address":"nowhere:x"}"#),
        ("/mprpc/mpim.MessageService/large", &large),
    ];
    for (path, data) in junk {
        client.create(path, data, &options).await.unwrap();
    }
    let classic = "/MessageService/Ack";
    // The node is made a moment after the instance is listed.
    until("it is spoilt", async || client.set_data(classic, b"999.1.1.1:99999", None).await).await;
    for path in junk.iter().map(|(path, _)| *path).chain([classic]) {
        until(&format!("the gateway names {path}"), async || {
            let log = stack.process("im-gateway").log();
            if log.contains(path) { Ok(()) } else { Err("not yet") }
        })
        .await;
    }
    for n in 0..10 {
        let id = ada.send(bob.uid, &format!("{n}")).await;
        assert_eq!(bob.client.push().await.id, id);
    }
    // Those that look again do not say it again.
    let gateway = process(Service::Gateway, 1);
    stack.process(&gateway).stop().await;
    let log = stack.process(&gateway).log();
    for (path, _) in junk {
        let times = log.lines().filter(|line| line.contains(path)).count();
        assert_eq!(times, 1, "{path}:\n{log}");
    }
    stack.restart(&gateway).await;
    let instance = Instance { service: Service::Gateway, number: 1 };
    is_ready(stack.admin_address(instance)).await;
}
