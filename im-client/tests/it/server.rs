//! A server whose every move is the test's.

use im_client::{Client, Event, Events, Options, TextLines};
use im_wire::text::{Command, Push, Reply, ServerConnection, Slot, TextLimits};
use std::{borrow::Cow, future::Future, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than anything here takes; a test that hangs says where.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Short pauses, so that tests reconnect at once.
pub(crate) fn options() -> Options {
    let backoff_min = Duration::from_millis(1);
    Options { backoff_min, backoff_max: Duration::from_millis(20), ..Options::default() }
}

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("an address").to_string()
    }

    /// The next connection, before anything was said.
    pub(crate) async fn accept_silently(&self) -> Peer {
        let (stream, _) = within("a connection", self.listener.accept()).await.expect("accepts");
        Peer { stream, connection: ServerConnection::new(TextLimits::default()) }
    }

    /// The next connection, welcomed.
    pub(crate) async fn accept(&self) -> Peer {
        let mut peer = self.accept_silently().await;
        peer.connection.welcome();
        peer.flush().await;
        peer
    }

    /// The next connection, on which user 7 logs in.
    pub(crate) async fn accept_login(&self) -> Peer {
        let mut peer = self.accept().await;
        let (slot, command) = peer.command().await;
        assert!(matches!(command, Command::Login { .. }), "{command:?}");
        peer.reply(slot, Reply::Uid(7)).await;
        peer
    }

    /// A client that is connected and logged in, and the server's end of it.
    pub(crate) async fn client(&self, options: Options) -> (Client, Events, Peer) {
        let connect = Client::connect(TextLines::new(self.address()), options);
        let (mut peer, client) = tokio::join!(self.accept(), connect);
        let (client, events) = client.expect("connects");
        let login = client.login("ada", "secret");
        let answer = async {
            let (slot, _) = peer.command().await;
            peer.reply(slot, Reply::Uid(7)).await;
        };
        let (uid, ()) = tokio::join!(login, answer);
        assert_eq!(uid, Ok(7));
        (client, events, peer)
    }
}

/// The server's end of one connection. Dropping it hangs up.
pub(crate) struct Peer {
    stream: TcpStream,
    connection: ServerConnection,
}

impl Peer {
    /// What the client asks next.
    pub(crate) async fn command(&mut self) -> (Slot, Command) {
        within("a command", async {
            loop {
                if let Some(command) = self.connection.next_command() {
                    return command;
                }
                let mut bytes = [0; 1024];
                let read = self.stream.read(&mut bytes).await.expect("reads");
                assert!(read > 0, "the client hung up");
                self.connection.receive(&bytes[..read]);
            }
        })
        .await
    }

    /// Whether the client has already asked for more than was taken.
    pub(crate) fn has_more(&mut self) -> bool {
        let mut bytes = [0; 1024];
        if let Ok(read) = self.stream.try_read(&mut bytes) {
            self.connection.receive(&bytes[..read]);
        }
        self.connection.next_command().is_some()
    }

    /// Whether the client closes the connection within this time, in which it asks nothing.
    pub(crate) async fn hangs_up_within(&mut self, time: Duration) -> bool {
        timeout(time, self.stream.read(&mut [0; 1])).await.is_ok()
    }

    pub(crate) async fn reply(&mut self, slot: Slot, reply: Reply) {
        self.connection.reply(slot, reply);
        self.flush().await;
    }

    pub(crate) async fn push(&mut self, msg_id: i64, text: &str) {
        let text = Cow::Borrowed(text);
        let push = Push { msg_id, from: 9, to: None, ts_ms: 3, group_id: None, text };
        self.connection.push(&push.encode());
        self.flush().await;
    }

    pub(crate) async fn close(mut self, reason: &str) {
        self.connection.close(reason);
        self.flush().await;
    }

    /// Sends bytes that no server of the protocol sends.
    pub(crate) async fn garble(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("writes");
    }

    async fn flush(&mut self) {
        let output = self.connection.output().to_vec();
        self.stream.write_all(&output).await.expect("writes");
        self.connection.consume_output(output.len());
    }
}

/// The next event.
pub(crate) async fn next(events: &mut Events) -> Event {
    within("an event", events.next()).await.expect("the client lives")
}

/// The id of the next event, which is a message.
pub(crate) async fn next_message(events: &mut Events) -> i64 {
    match next(events).await {
        Event::Message(message) => message.msg_id,
        other => panic!("no message but {other:?}"),
    }
}
