//! That there always is a session, or soon will be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use zookeeper_client::SessionState;

use super::RegistryState;
use super::builder::Config;
use super::session::Session;

/// The shortest and the longest pause between attempts to get a session.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// For how long a session that has lost its server may look for another by itself. The library's
/// pauses between its attempts get as long as the servers were away; a session of our own is there
/// sooner, and takes over what the lost one had registered.
const ALONE_MAX: Duration = Duration::from_secs(3);

/// The session of the moment, if there is one.
pub(super) type Current = watch::Receiver<Option<Arc<Session>>>;

/// Keeps a session for ever: when one is over it builds the next.
pub(super) async fn keep(
    config: Config,
    current: watch::Sender<Option<Arc<Session>>>,
    state: watch::Sender<RegistryState>,
) {
    let mut news = News { hosts: config.hosts.clone(), state, away_was_said: false };
    let mut pause = PAUSE_MIN;
    loop {
        let why = match Session::connect(&config).await {
            Ok(session) => {
                pause = PAUSE_MIN;
                metrics::counter!("mprpc_registry_sessions_total").increment(1);
                let session = Arc::new(session);
                current.send_replace(Some(Arc::clone(&session)));
                let why = live(&session, &mut news).await;
                session.give_up();
                current.send_replace(None);
                why
            }
            Err(why) => why,
        };
        news.away(why);
        // Between half of it and all, so that many processes do not come at once.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Waits until the session is of no use any more, and says why.
async fn live(session: &Session, news: &mut News) -> String {
    let mut changes = session.client().state_watcher();
    let mut now = session.client().state();
    loop {
        // First: of a session that has ended before this there is no news any more.
        let alone = match now {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                news.connected();
                false
            }
            SessionState::Disconnected => {
                news.away("the connection is lost".to_owned());
                true
            }
            ended => return format!("the session is over: {ended}"),
        };
        let next = async {
            if alone {
                timeout(ALONE_MAX, changes.changed()).await
            } else {
                Ok(changes.changed().await)
            }
        };
        now = tokio::select! {
            () = session.over() => return "a request was not answered in time".to_owned(),
            next = next => match next {
                Ok(next) => next,
                Err(_) => return "the connection is lost".to_owned(),
            },
        };
    }
}

/// Tells those who watch how things stand, and the log when that changes.
struct News {
    hosts: String,
    state: watch::Sender<RegistryState>,
    away_was_said: bool,
}

impl News {
    fn connected(&mut self) {
        let (hosts, old) = (&self.hosts, self.state.send_replace(RegistryState::Connected));
        if old != RegistryState::Connected {
            tracing::info!(hosts, "ZooKeeper is there");
        }
        metrics::gauge!("mprpc_registry_connected").set(1.0);
        self.away_was_said = false;
    }

    fn away(&mut self, why: String) {
        if !std::mem::replace(&mut self.away_was_said, true) {
            let hosts = &self.hosts;
            tracing::warn!(hosts, why, "ZooKeeper is away; calls go on with the last lists");
        }
        metrics::gauge!("mprpc_registry_connected").set(0.0);
        self.state.send_replace(RegistryState::Connecting { why });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Reads a request, and answers with this.
    async fn answer(stream: &mut TcpStream, answer: &[u8]) {
        let length = stream.read_u32().await.unwrap();
        let mut request = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_u32(u32::try_from(answer.len()).unwrap()).await.unwrap();
        stream.write_all(answer).await.unwrap();
    }

    /// What a server says of a session, none if it has expired: protocol version, timeout, session,
    /// password, read-only.
    fn session(id: i64) -> Vec<u8> {
        let (timeout, password) = (4_000_i32.to_be_bytes(), 16_i32.to_be_bytes());
        [&[0; 4], &timeout[..], &id.to_be_bytes(), &password, &[0; 16], &[0]].concat()
    }

    #[tokio::test]
    async fn a_session_that_ended_before_anybody_looked_is_of_no_use() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config {
            hosts: server.local_addr().unwrap().to_string(),
            chroot: String::new(),
            session_timeout: Duration::from_secs(4),
            request_timeout: Duration::from_secs(4),
            classic: false,
            snapshots: None,
        };
        tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            answer(&mut stream, &session(7)).await;
            let pong = [&(-2_i32).to_be_bytes()[..], &[0; 12]].concat();
            answer(&mut stream, &pong).await;
            drop(stream);
            let (mut stream, _) = server.accept().await.unwrap();
            answer(&mut stream, &session(0)).await;
        });
        let session = Session::connect(&config).await.unwrap();
        let mut states = session.client().state_watcher();
        while states.changed().await != SessionState::Expired {}

        let state = watch::Sender::new(RegistryState::Connected);
        let mut news = News { hosts: config.hosts, state, away_was_said: false };
        let why =
            timeout(Duration::from_secs(4), live(&session, &mut news)).await.expect("it ends");
        assert!(why.starts_with("the session is over"), "{why}");
    }
}
