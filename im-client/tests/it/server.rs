//! A server whose every move is the test's.

use bytes::BytesMut;
use im_client::{
    Client, Command, Event, Events, LoggedIn, Message, Options, Peer, Reply, Secret, Wants,
};
use im_wire::{Shown, Slot, frames, text, web_socket};
use std::{future::Future, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_websockets::ServerBuilder;

/// Longer than anything here takes; a test that hangs says where.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Short pauses, so that tests reconnect at once, and nothing that nobody asks for.
pub(crate) fn options() -> Options {
    let (backoff_min, backoff_max) = (Duration::from_millis(1), Duration::from_millis(20));
    Options { backoff_min, backoff_max, wants: Wants::default(), ..Options::default() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Text,
    Frames,
    WebSocket,
}

pub(crate) struct Server {
    listener: TcpListener,
    protocol: Protocol,
}

impl Server {
    pub(crate) async fn start(protocol: Protocol) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"), protocol }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("an address").to_string()
    }

    /// What clients connect to.
    pub(crate) fn server(&self) -> im_client::Server {
        let scheme = match self.protocol {
            Protocol::Text => "text",
            Protocol::Frames => "frames",
            Protocol::WebSocket => "ws",
        };
        format!("{scheme}://{}", self.address()).parse().expect("an address")
    }

    /// The next connection, before anything was said.
    pub(crate) async fn accept_silently(&self) -> ServerPeer {
        let (stream, _) = within("a connection", self.listener.accept()).await.expect("accepts");
        let wire = match self.protocol {
            Protocol::Text => Wire::Text(text::ServerConnection::new(<_>::default())),
            Protocol::Frames => Wire::Frames(frames::ServerConnection::new(<_>::default())),
            Protocol::WebSocket => {
                Wire::WebSocket(web_socket::ServerConnection::new(<_>::default()))
            }
        };
        ServerPeer { stream, wire }
    }

    /// The next connection, welcomed.
    pub(crate) async fn accept(&self) -> ServerPeer {
        let mut peer = self.accept_silently().await;
        match &mut peer.wire {
            Wire::Text(connection) => connection.welcome(),
            Wire::Frames(_) => {}
            Wire::WebSocket(_) => {
                let builder = ServerBuilder::new();
                let accepting = builder.accept(&mut peer.stream);
                within("a handshake", accepting).await.expect("one of WebSocket");
            }
        }
        peer.flush().await;
        peer
    }

    /// The next connection, on which user 7 logs in.
    pub(crate) async fn accept_login(&self) -> ServerPeer {
        let mut peer = self.accept().await;
        peer.log_in().await;
        peer
    }

    /// A client that is connected and logged in, and the server's end of it.
    pub(crate) async fn client(&self, options: Options) -> (Client, Events, ServerPeer) {
        let connect = Client::connect(self.server(), options);
        let (mut peer, client) = tokio::join!(self.accept(), connect);
        let (client, events) = client.expect("connects");
        let (uid, _) = tokio::join!(client.login("ada", "secret"), peer.log_in());
        assert_eq!(uid, Ok(7));
        (client, events, peer)
    }
}

enum Wire {
    Text(text::ServerConnection),
    Frames(frames::ServerConnection),
    WebSocket(web_socket::ServerConnection),
}

macro_rules! wire {
    ($wire:expr, $connection:ident => $does:expr) => {
        match $wire {
            Wire::Text($connection) => $does,
            Wire::Frames($connection) => $does,
            Wire::WebSocket($connection) => $does,
        }
    };
}

/// The server's end of one connection. Dropping it hangs up.
pub(crate) struct ServerPeer {
    stream: TcpStream,
    wire: Wire,
}

impl ServerPeer {
    /// What the client asks next.
    pub(crate) async fn command(&mut self) -> (Slot, Command) {
        within("a command", async {
            loop {
                if let Some(command) =
                    wire!(&mut self.wire, connection => connection.next_command())
                {
                    return command;
                }
                // What is no command is answered already.
                self.flush().await;
                let mut bytes = [0; 1024];
                let read = self.stream.read(&mut bytes).await.expect("reads");
                assert!(read > 0, "the client hung up");
                self.receive(&bytes[..read]);
            }
        })
        .await
    }

    /// Answers a heartbeat, which comes next.
    pub(crate) async fn beat(&mut self) {
        within("a heartbeat", async {
            loop {
                let command = wire!(&mut self.wire, connection => connection.next_command());
                assert!(command.is_none(), "{command:?}");
                if wire!(&mut self.wire, connection => !connection.output().is_empty()) {
                    return self.flush().await;
                }
                let mut bytes = [0; 1024];
                let read = self.stream.read(&mut bytes).await.expect("reads");
                assert!(read > 0, "the client hung up");
                self.receive(&bytes[..read]);
            }
        })
        .await;
    }

    /// User 7 logs in. Answers how.
    pub(crate) async fn log_in(&mut self) -> Command {
        loop {
            let (slot, command) = self.command().await;
            match command {
                Command::Device { ref name } => self.reply(slot, Reply::Device(name.clone())).await,
                Command::Login { .. } | Command::LogIn(_) => {
                    self.reply(slot, Reply::LoggedIn(Box::new(ada()))).await;
                    return command;
                }
                other => panic!("no log-in but {other:?}"),
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        wire!(&mut self.wire, connection => connection.receive(bytes));
    }

    /// Whether the client has already asked for more than was taken.
    pub(crate) fn has_more(&mut self) -> bool {
        let mut bytes = [0; 1024];
        if let Ok(read) = self.stream.try_read(&mut bytes) {
            self.receive(&bytes[..read]);
        }
        wire!(&mut self.wire, connection => connection.next_command()).is_some()
    }

    /// Whether the client has said anything more.
    pub(crate) fn hears(&mut self) -> bool {
        self.stream.try_read(&mut [0; 1024]).is_ok_and(|read| read > 0)
    }

    /// Whether the client closes the connection within this time, in which it asks nothing.
    pub(crate) async fn hangs_up_within(&mut self, time: Duration) -> bool {
        timeout(time, self.stream.read(&mut [0; 1])).await.is_ok()
    }

    pub(crate) async fn reply(&mut self, slot: Slot, reply: Reply) {
        wire!(&mut self.wire, connection => connection.reply(slot, reply));
        self.flush().await;
    }

    pub(crate) async fn show(&mut self, shown: &Shown) {
        match &mut self.wire {
            Wire::Text(connection) => drop(connection.push(shown.line())),
            Wire::Frames(connection) => drop(connection.show(shown)),
            Wire::WebSocket(connection) => drop(connection.show(shown)),
        }
        self.flush().await;
    }

    /// A message to user 7.
    pub(crate) async fn push(&mut self, msg_id: i64, text: &str) {
        self.show(&Shown::message(message(msg_id, text))).await;
    }

    pub(crate) async fn close(mut self, reason: &str) {
        wire!(&mut self.wire, connection => connection.close(reason));
        self.flush().await;
    }

    /// Sends bytes that no server of the protocol sends.
    pub(crate) async fn garble(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("writes");
    }

    /// Answers what nobody has asked.
    pub(crate) async fn answer_nothing(&mut self) {
        let body = br#"{"code":0,"message":"success","id":77}"#;
        match &self.wire {
            Wire::Text(_) => self.garble(b"+OK msg_id=1\n").await,
            Wire::Frames(_) => {
                let mut frame = BytesMut::new();
                frames::put_frame(&mut frame, 2003, body);
                self.garble(&frame).await;
            }
            Wire::WebSocket(_) => {
                let envelope = [br#"{"type":2003,"id":77,"body":"#, &body[..], b"}"].concat();
                let length = u8::try_from(envelope.len()).expect("a short one");
                self.garble(&[&[0x81, length][..], &envelope].concat()).await;
            }
        }
    }

    async fn flush(&mut self) {
        let output = wire!(&mut self.wire, connection => connection.output().to_vec());
        self.stream.write_all(&output).await.expect("writes");
        wire!(&mut self.wire, connection => connection.consume_output(output.len()));
    }
}

/// User 7, as servers tell of them.
fn ada() -> LoggedIn {
    LoggedIn {
        user_id: 7,
        username: "ada".to_owned(),
        role: im_wire::Role::default(),
        device: "desktop".to_owned(),
        token: Secret::new("a-token"),
        expires_at_ms: 0,
        refreshes: None,
    }
}

/// From user 9 to user 7.
pub(crate) fn message(msg_id: i64, text: &str) -> Message {
    let (to, text) = (Peer::User(7), text.to_owned());
    Message { msg_id, seq: msg_id, from: 9, to, is_copy: false, ts_ms: 3, text }
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
