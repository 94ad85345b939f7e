//! A server whose every move is the test's, in memory: with a clock that stands still, time passes when
//! everybody waits, and then at once.

use crate::server::within;
use im_client::{
    BadRequest, Client, Command, ConnectError, Connection, ConnectionError, Credential, Events,
    Incoming, Options, Refusal, Reply, Transport, Wants,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The way to the server.
pub(crate) struct Played(UnboundedSender<Peer>);

/// The connections that come.
pub(crate) struct Stage(UnboundedReceiver<Peer>);

/// The server's end of one connection. Dropping it hangs up.
pub(crate) struct Peer {
    asked: UnboundedReceiver<Command>,
    says: UnboundedSender<Result<Incoming, ConnectionError>>,
}

/// The client's end.
pub(crate) struct PlayedConnection {
    asks: UnboundedSender<Command>,
    said: UnboundedReceiver<Result<Incoming, ConnectionError>>,
}

impl Transport for Played {
    type Connection = PlayedConnection;

    fn address(&self) -> &'static str {
        "a server of the test"
    }

    async fn connect(&self) -> Result<PlayedConnection, ConnectError> {
        let ((asks, asked), (says, said)) = (unbounded_channel(), unbounded_channel());
        // An error means that the test is over.
        let _ = self.0.send(Peer { asked, says });
        Ok(PlayedConnection { asks, said })
    }
}

impl Connection for PlayedConnection {
    fn start(&mut self, request: &Command) -> Result<(), BadRequest> {
        // An error means that the server has hung up.
        let _ = self.asks.send(request.clone());
        Ok(())
    }

    async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        self.said.recv().await.unwrap_or(Err(ConnectionError::Ended))
    }
}

impl Stage {
    /// The next connection.
    pub(crate) async fn accept(&mut self) -> Peer {
        within("a connection", self.0.recv()).await.expect("the client lives")
    }
}

impl Peer {
    /// What is asked next, but for heartbeats; `None`: the client has hung up.
    pub(crate) async fn command(&mut self) -> Option<Command> {
        loop {
            match self.asked.recv().await? {
                Command::Ping => self.grant(Reply::Pong),
                command => return Some(command),
            }
        }
    }

    /// How somebody logs in, who does so next, and what they want.
    pub(crate) async fn log_in(&mut self) -> (Credential, Wants) {
        match self.command().await {
            Some(Command::LogIn(log_in)) => (log_in.credential, log_in.wants),
            other => panic!("no log-in but {other:?}"),
        }
    }

    pub(crate) fn grant(&self, reply: Reply) {
        self.say(Ok(Incoming::Answer(Ok(reply))));
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.say(Ok(Incoming::Answer(Err(refusal))));
    }

    pub(crate) fn say(&self, said: Result<Incoming, ConnectionError>) {
        self.says.send(said).expect("the client lives");
    }
}

/// A client that user 7 is logged in with, by password; `granted` is what the server has said to that.
pub(crate) async fn client(options: Options, granted: Reply) -> (Client, Events, Peer, Stage) {
    let (peers, connections) = unbounded_channel();
    let mut stage = Stage(connections);
    let (client, events) = Client::connect(Played(peers), options).await.expect("connects");
    let mut peer = stage.accept().await;
    let begin = async {
        let (credential, _) = peer.log_in().await;
        assert!(matches!(credential, Credential::Password { .. }), "{credential:?}");
        peer.grant(granted);
    };
    let (uid, ()) = tokio::join!(client.login("ada", "secret"), begin);
    assert_eq!(uid, Ok(7));
    (client, events, peer, stage)
}
