//! Connections that break anywhere: nothing is lost, nothing is doubled, and everything keeps its order.

use im_client::{
    BadRequest, Client, Command, ConnectError, Connection, ConnectionError, Event, Events,
    Incoming, Message, Options, Peer, Refusal, Reply, Transport, What,
};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Time does not pass but when everybody waits.
const PATIENCE: Duration = Duration::from_secs(3600);
const ME: i64 = 7;
const POSTS: usize = 24;
const MESSAGES: i64 = 24;

/// What one connection lives to see.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// After so many things said it breaks.
    says: u8,
    /// So many of the requests that it took are then carried out, and nobody is told.
    unheard: u8,
    /// Every so many sends are put off: 0 none.
    moody: u8,
}

/// What the server knows.
#[derive(Default)]
struct World {
    lives: VecDeque<Life>,
    /// The messages that were sent, with their client ids.
    stored: Vec<(String, i64, Peer, String)>,
    /// What goes to the user, in order.
    inbox: Vec<Message>,
    /// How much of it was acknowledged, by the other side.
    acked: HashMap<Peer, i64>,
    sends: u8,
}

impl World {
    fn has(&self, message: &Message) -> bool {
        self.acked.get(&other_side(message)).is_some_and(|msg_id| *msg_id >= message.msg_id)
    }

    fn perform(&mut self, command: Command, moody: u8, is_heard: bool) -> Result<Reply, Refusal> {
        match command {
            Command::LogIn(_) => Ok(Reply::Uid(ME)),
            Command::Ping => Ok(Reply::Pong),
            Command::Ack { msg_id } => {
                let message = self.inbox.iter().find(|message| message.msg_id == msg_id);
                let place =
                    self.acked.entry(other_side(message.expect("one of them"))).or_default();
                *place = msg_id.max(*place);
                Ok(Reply::Acked)
            }
            Command::Send { client_msg_id, to, text, .. } => {
                self.store(client_msg_id, Peer::User(to), text, moody, is_heard)
            }
            Command::SendGroup { client_msg_id, group_id, text, .. } => {
                self.store(client_msg_id, Peer::Group(group_id), text, moody, is_heard)
            }
            other => panic!("nobody asks for {other:?}"),
        }
    }

    fn store(
        &mut self,
        client_msg_id: Option<String>,
        to: Peer,
        text: String,
        moody: u8,
        is_heard: bool,
    ) -> Result<Reply, Refusal> {
        let id = client_msg_id.expect("an id");
        self.sends = self.sends.wrapping_add(1);
        let is_put_off = moody > 0 && self.sends.is_multiple_of(moody);
        if is_put_off && self.sends.is_multiple_of(2) {
            return Err(Refusal::of("unavailable, try again"));
        }
        let msg_id = match self.stored.iter().find(|(known, ..)| *known == id) {
            Some((_, msg_id, ..)) => *msg_id,
            None => {
                let msg_id = 1000 + i64::try_from(self.stored.len()).expect("few");
                self.stored.push((id, msg_id, to, text.clone()));
                if !is_heard {
                    // To a session that begins later it is one of the user's own.
                    let (from, is_copy, ts_ms) = (ME, true, 0);
                    self.inbox.push(Message { msg_id, seq: 0, from, to, is_copy, ts_ms, text });
                }
                msg_id
            }
        };
        match is_put_off {
            // It is stored all the same.
            true => Err(Refusal::of("internal")),
            false => Ok(Reply::MsgIdSeq(msg_id, msg_id)),
        }
    }
}

fn other_side(message: &Message) -> Peer {
    match message.to {
        Peer::User(ME) => Peer::User(message.from),
        to => to,
    }
}

#[derive(Clone)]
struct Shaky(Arc<Mutex<World>>);

impl Shaky {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("nobody died with it")
    }
}

impl Transport for Shaky {
    type Connection = ShakyConnection;

    fn address(&self) -> &'static str {
        "a server of the test"
    }

    async fn connect(&self) -> Result<ShakyConnection, ConnectError> {
        let life = self.world().lives.pop_front();
        Ok(ShakyConnection { shaky: self.clone(), life, asked: VecDeque::new(), shown: None })
    }
}

struct ShakyConnection {
    shaky: Shaky,
    /// `None`: for ever.
    life: Option<Life>,
    asked: VecDeque<Command>,
    /// How much of the inbox was shown, once somebody is logged in.
    shown: Option<usize>,
}

impl Connection for ShakyConnection {
    fn start(&mut self, request: &Command) -> Result<(), BadRequest> {
        self.asked.push_back(request.clone());
        Ok(())
    }

    async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        // Before anything is changed, so that a future that is dropped here has lost nothing.
        tokio::task::yield_now().await;
        match self.say() {
            Some(said) => said,
            None => pending().await,
        }
    }
}

impl ShakyConnection {
    fn say(&mut self) -> Option<Result<Incoming, ConnectionError>> {
        let mut world = self.shaky.world();
        if let Some(Life { says: 0, unheard, .. }) = self.life {
            for command in self.asked.drain(..).take(unheard.into()) {
                let _ = world.perform(command, 0, false);
            }
            return Some(Err(ConnectionError::Ended));
        }
        let moody = self.life.map_or(0, |life| life.moody);
        let said = if let Some(command) = self.asked.pop_front() {
            if matches!(command, Command::LogIn(_)) {
                self.shown = Some(0);
            }
            Incoming::Answer(world.perform(command, moody, true))
        } else {
            let shown = self.shown.as_mut()?;
            let left = world.inbox.get(*shown..)?;
            let skipped = left.iter().take_while(|message| world.has(message)).count();
            let message = left.get(skipped)?.clone();
            *shown += skipped + 1;
            Incoming::Shown(What::Message(message))
        };
        if let Some(life) = &mut self.life {
            life.says -= 1;
        }
        Some(Ok(said))
    }
}

fn peer(at: usize) -> Peer {
    [Peer::User(8), Peer::User(9), Peer::Group(4)][at % 3]
}

/// What somebody is told who posts, and takes all events.
async fn talk(client: &Client, events: &mut Events) -> (Vec<String>, Vec<Event>) {
    let post_all = async {
        let mut ids = Vec::new();
        for at in 0..POSTS {
            ids.push(client.post(peer(at), at.to_string()).await.expect("there is room"));
        }
        ids
    };
    let take_all = async {
        let mut told = Vec::new();
        let (mut stored, mut shown) = (0, 0);
        while stored < POSTS || shown < MESSAGES {
            let event = events.next().await.expect("the client lives");
            match &event {
                Event::Stored { .. } => stored += 1,
                Event::Message(message) if message.from != ME => shown += 1,
                _ => {}
            }
            told.push(event);
        }
        told
    };
    tokio::join!(post_all, take_all)
}

async fn hold(lives: Vec<Life>) {
    let message = |msg_id| {
        let (from, to) = (8 + msg_id % 2, Peer::User(ME));
        Message { msg_id, seq: 0, from, to, is_copy: false, ts_ms: 0, text: String::new() }
    };
    let inbox: Vec<_> = (1..=MESSAGES).map(message).collect();
    let lives = lives.into();
    let world = World { lives, inbox, ..World::default() };
    let shaky = Shaky(Arc::new(Mutex::new(world)));
    let (client, mut events) =
        Client::connect(shaky.clone(), Options::default()).await.expect("connects");
    // A log-in may be lost like everything else, and is asked for once more, as a person would.
    while client.login("ada", "secret").await.is_err() {}
    let (ids, told) = timeout(PATIENCE, talk(&client, &mut events)).await.expect("all is told");

    let stored = shaky.world().stored.clone();
    assert_eq!(stored.len(), POSTS, "each once");
    for of in [peer(0), peer(1), peer(2)] {
        let texts = stored.iter().filter(|(_, _, to, _)| *to == of).map(|(.., text)| text.parse());
        let texts: Vec<usize> = texts.collect::<Result<_, _>>().expect("numbers");
        assert!(texts.is_sorted(), "{of}: {texts:?}");
    }
    let mut seen = HashSet::new();
    let mut last = HashMap::new();
    for event in &told {
        match event {
            Event::Stored { client_msg_id, msg_id, .. } => {
                assert!(ids.contains(client_msg_id) && seen.insert(client_msg_id.clone()));
                assert!(
                    stored.iter().any(|(id, known, ..)| (id, known) == (client_msg_id, msg_id))
                );
            }
            Event::Message(message) => {
                assert!(seen.insert(message.msg_id.to_string()), "{message:?} came twice");
                if message.from != ME {
                    let before = last.insert(message.from, message.msg_id).unwrap_or(0);
                    assert!(before < message.msg_id, "{before} before {message:?}");
                }
            }
            Event::Unsent { .. } | Event::SessionClosed { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
    // Who asks for the next event has dealt with the last.
    let all_acked = async {
        loop {
            let _ = timeout(Duration::from_secs(1), events.next()).await;
            let world = shaky.world();
            if world.inbox.iter().all(|message| world.has(message)) {
                return;
            }
        }
    };
    timeout(PATIENCE, all_acked).await.expect("all is acknowledged");
    sleep(Duration::from_secs(1)).await;
}

fn life() -> impl Strategy<Value = Life> {
    (0_u8..24, 0_u8..6, 0_u8..5).prop_map(|(says, unheard, moody)| Life { says, unheard, moody })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_wherever_connections_break(lives in vec(life(), 0..16)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(hold(lives));
    }
}
