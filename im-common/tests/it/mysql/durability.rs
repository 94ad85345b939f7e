//! A server that answers a commit before it is on its disk is named at the start.

use std::io;
use std::sync::Mutex;

use mysql_async::{Conn, Opts};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_server_that_does_not_flush_at_commit_is_warned_about() {
    let Some(server) = PrivateMariaDb::start().await else { return };
    let log = Log::default();
    // Beside a second one no subscriber's word is taken for that of all.
    let _not_the_only_one = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _watching = tracing::subscriber::set_default(subscriber);
    let url = MariaDb::url(server.server(), "test_flush");
    open(&url, SCHEMA).await.unwrap();
    assert_eq!(log.take(), "", "as it is shipped");
    let root = Opts::from_url(&format!("mysql://root@{}/", server.address())).unwrap();
    let mut root = Conn::new(root).await.unwrap();
    for flush in [2, 0] {
        let set = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {flush}");
        root.query_drop(set).await.unwrap();
        open(&url, SCHEMA).await.unwrap();
        let said = log.take();
        let expected = format!("innodb_flush_log_at_trx_commit={flush}");
        assert!(said.contains("WARN") && said.contains(&expected), "{said}");
        assert!(said.contains(&server.address()), "{said}");
    }
}
