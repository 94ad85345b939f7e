//! The client library, in each protocol, against the real gateway.

use std::collections::HashMap;
use std::time::Duration;

use im_client::{Client, Event, Events, Options, Peer, Server, Signal, Status, Wants};
use mpim_tests::{DEADLINE, PASSWORD, Service, Stack, StackBuilder, until};
use tokio::time::timeout;

on_all_stacks! {
    every_call_does_the_same_in_each_protocol,
    nothing_is_lost_or_doubled_over_a_killed_gateway,
    who_was_away_for_longer_than_a_token_lives_is_back,
}

struct Person {
    client: Client,
    events: Events,
    uid: i64,
}

/// Somebody new, over each of the protocols.
async fn one_of_each(stack: &Stack, name: &str) -> Vec<Person> {
    let mut people = Vec::new();
    for (scheme, address) in [
        ("text", stack.text_address()),
        ("frames", stack.frames_address()),
        ("ws", stack.http_address()),
    ] {
        let server: Server = format!("{scheme}://{address}").parse().unwrap();
        let (backoff_max, outbox_max) = (Duration::from_secs(1), 64);
        let wants = Wants { events: true, acks: true, refresh: true, ..Wants::default() };
        let options = Options { backoff_max, outbox_max, wants, ..Options::default() };
        let (client, events) = Client::connect(server, options).await.unwrap();
        let uid = client.register(format!("{name}-{scheme}"), PASSWORD).await.unwrap();
        people.push(Person { client, events, uid });
    }
    people
}

impl Person {
    /// The next event that is one of those.
    async fn told<T>(&mut self, what: &str, mut of: impl FnMut(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.next().await.expect("the client lives");
                if let Some(found) = of(event) {
                    return found;
                }
            }
        };
        timeout(DEADLINE, found)
            .await
            .unwrap_or_else(|_| panic!("{} was not told {what}", self.uid))
    }

    async fn reads(&mut self, from: i64, to: Peer, text: &str) -> i64 {
        self.told(text, |event| match event {
            Event::Message(message) if message.text == text => {
                assert_eq!((message.from, message.to, message.is_copy), (from, to, false));
                Some(message.msg_id)
            }
            Event::Message(other) => panic!("{text:?} was to come, and not {other:?}"),
            _ => None,
        })
        .await
    }
}

async fn every_call_does_the_same_in_each_protocol(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut people = one_of_each(&stack, "ada").await;
    let uids: Vec<i64> = people.iter().map(|person| person.uid).collect();
    let group_id =
        people[0].client.create_group("crew".to_owned(), "of all".to_owned()).await.unwrap();
    for person in &people[1..] {
        person.client.join_group(group_id).await.unwrap();
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let (me, other) = (uids[from], uids[to]);
        let sender = people[from].client.clone();
        sender.add_friend(other).await.unwrap();
        assert!(sender.friends().await.unwrap().contains(&other));
        let text = format!("from {me}: \"hi\", 你好");
        let msg_id = sender.send(other, &*text).await.unwrap();
        assert_eq!(people[to].reads(me, Peer::User(other), &text).await, msg_id);
        let reader = people[to].client.clone();
        let history = reader.history(Peer::User(me), 0, 10).await.unwrap();
        let last = reader.recent(Peer::User(me), 1, None).await.unwrap();
        assert_eq!((&history[..], &*history[0].text, history[0].from), (&last[..], &*text, me));
        let conversations = reader.conversations(None).await.unwrap();
        let with = conversations.iter().find(|conversation| conversation.peer == Peer::User(me));
        assert_eq!(with.map(|with| (with.unread, with.last_msg_id)), Some((1, msg_id)));
        reader.read(Peer::User(me), 1).await.unwrap();
        until("it is told that it was read", async || {
            let receipts = sender.receipts(Peer::User(other)).await.unwrap();
            let read = receipts.iter().find(|receipt| receipt.from == other);
            let read = read.and_then(|receipt| receipt.read);
            if read == Some(1) { Ok(()) } else { Err(format!("{receipts:?}")) }
        })
        .await;
        assert_eq!(sender.presence(other).await, Ok(Status::Online));
        sender.typing(Peer::User(other)).await.unwrap();
        let typing = Event::Signal(Signal::Typing { from: me, group_id: None });
        people[to].told("who types", |event| (event == typing).then_some(())).await;

        let text = format!("from {me} to all");
        sender.send_group(group_id, &*text).await.unwrap();
        for at in [(from + 1) % 3, (from + 2) % 3] {
            people[at].reads(me, Peer::Group(group_id), &text).await;
        }
    }
    for person in &people {
        let mut members = person.client.members(group_id).await.unwrap();
        members.sort_unstable();
        assert_eq!(members, uids);
        assert_eq!(person.client.groups().await, Ok(vec![group_id]));
        assert_eq!(person.client.who_am_i().await, Ok(person.uid));
        assert_eq!(person.client.devices().await.unwrap().len(), 1);
        let refused = person.client.send(999, "anybody there?").await.unwrap_err();
        assert_eq!(refused.to_string(), "no such user");
    }
}

/// How many each writer posts, half of them before the gateway dies.
const POSTS: usize = 20;

async fn nothing_is_lost_or_doubled_over_a_killed_gateway(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let mut writers = one_of_each(&stack, "writer").await;
    let mut readers = one_of_each(&stack, "reader").await;
    let to: Vec<i64> = readers.iter().map(|reader| reader.uid).collect();
    let mut ids = vec![Vec::new(); writers.len()];
    let gateway = stack.process_of(Service::Gateway);
    for number in 0..POSTS {
        for (writer, ids) in writers.iter().zip(&mut ids) {
            for uid in &to {
                let text = number.to_string();
                ids.push(writer.client.post(Peer::User(*uid), text).await.unwrap());
            }
        }
        if number == POSTS / 2 {
            stack.kill(&gateway).await;
        }
    }
    stack.restart(&gateway).await;
    for (writer, posted) in writers.iter_mut().zip(ids) {
        let mut stored = HashMap::new();
        while stored.len() < posted.len() {
            let (id, msg_id) = writer
                .told("what is stored", |event| match event {
                    Event::Stored { client_msg_id, msg_id, .. } => Some((client_msg_id, msg_id)),
                    Event::Unsent { .. } | Event::SessionClosed { .. } => panic!("{event:?}"),
                    _ => None,
                })
                .await;
            assert!(posted.contains(&id) && stored.insert(id, msg_id).is_none());
        }
    }
    for reader in &mut readers {
        let mut next: HashMap<i64, usize> = writers.iter().map(|writer| (writer.uid, 0)).collect();
        while next.values().any(|next| *next < POSTS) {
            let (from, text) = reader
                .told("everything", |event| match event {
                    Event::Message(message) => Some((message.from, message.text)),
                    Event::SessionClosed { .. } => panic!("{event:?}"),
                    _ => None,
                })
                .await;
            let expected = next.get_mut(&from).expect("one of the writers");
            assert_eq!(text, expected.to_string(), "from {from} to {}", reader.uid);
            *expected += 1;
        }
    }
    // Nothing comes twice afterwards either, and everything is in the timelines once.
    for reader in &readers {
        for writer in &writers {
            let history = reader.client.history(Peer::User(writer.uid), 0, 100).await.unwrap();
            let texts: Vec<_> = history.iter().map(|message| message.text.to_string()).collect();
            assert_eq!(texts, (0..POSTS).map(|number| number.to_string()).collect::<Vec<_>>());
        }
    }
}

/// Longer than a token lives that is refreshed, and not so long that its log-in is forgotten.
const AWAY_S: i64 = 3_600;

/// Over frames and WebSocket without a password, which is not kept there.
async fn who_was_away_for_longer_than_a_token_lives_is_back(stack: StackBuilder) {
    let mut stack = stack.with_clocks().start().await;
    let mut people = one_of_each(&stack, "ada").await;
    let gateway = stack.process_of(Service::Gateway);
    stack.kill(&gateway).await;
    stack.set_clock(stack.process_of(Service::User), AWAY_S);
    stack.restart(&gateway).await;
    for person in &mut people {
        let uid = person.uid;
        person
            .told("that it is back", |event| match event {
                Event::Reconnected { uid: back } => {
                    assert_eq!(back, Some(uid));
                    Some(())
                }
                Event::SessionClosed { .. } => panic!("{event:?}"),
                _ => None,
            })
            .await;
        assert_eq!(person.client.who_am_i().await, Ok(uid));
    }
}
