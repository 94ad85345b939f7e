//! Who talks in a round.

use std::io;
use std::net::SocketAddr;

use mpim_proto::{Entry, EntryKind, FetchRangeReq, message_service};
use mprpc::Context;

use crate::{
    Conversation, DEADLINE, PASSWORD, Person, Run, Service, Stack, Talker, TextClient, Wanderer,
    until,
};

/// Entries without a line that the group begins with: the joins of its members.
pub(super) const JOINS: i64 = 4;

/// The device on which bob only listens.
const LISTENING: &str = "mobile:b";

/// Six people with names that only this round has: ada and bob, carl and bob, eve and finn talk to
/// each other, and the first four in a group. Every other one repeats what was not answered, and all
/// or none acknowledge for themselves. Bob has another device, which listens. Gus comes to the group and
/// leaves it, and shuts `other` out and lets them in.
pub(super) async fn gather(
    stack: &Stack,
    round: u64,
    acknowledge: bool,
    other: &Visitor,
) -> Vec<Talker> {
    let mut people = Vec::new();
    for name in ["ada", "bob", "carl", "dora", "eve", "finn"] {
        people.push(Person::register(stack, &format!("{name}{round}")).await);
    }
    let crew = people[0].client.number(&format!("CREATEGROUP crew{round}"), "group_id").await;
    for member in &mut people[1..4] {
        member.client.expect(&format!("JOINGROUP {crew}"), "+OK joined group").await;
    }
    let (group, crew) = (crew, Conversation::Group(crew));
    let pair = |one: usize, other: usize| Conversation::pair(people[one].uid, people[other].uid);
    let (ada_bob, carl_bob, eve_finn) = (pair(0, 1), pair(2, 1), pair(4, 5));
    let to = [
        vec![ada_bob, crew],
        vec![ada_bob, carl_bob, crew],
        vec![carl_bob, crew],
        vec![crew],
        vec![eve_finn],
        vec![eve_finn],
    ];
    let talker = |(place, (person, to)): (usize, (&Person, Vec<Conversation>))| Talker {
        name: person.name.clone(),
        uid: person.uid,
        to,
        repeats: place % 2 == 1,
        acknowledges: acknowledge,
        listens_on: None,
        wanders: None,
    };
    // From here on it is shown everything: a device begins at the head.
    drop(people[1].on_device(stack, LISTENING).await);
    let mut talkers: Vec<_> = people.iter().zip(to).enumerate().map(talker).collect();
    let listening = Talker { listens_on: Some(LISTENING.to_owned()), ..talkers[1].clone() };
    talkers.push(listening);
    let gus = Person::register(stack, &format!("gus{round}")).await;
    let wanders = Wanderer { group, other: other.uid, other_name: other.name.clone() };
    talkers.push(Talker {
        name: gus.name,
        uid: gus.uid,
        to: vec![Conversation::pair(gus.uid, other.uid)],
        repeats: false,
        acknowledges: acknowledge,
        listens_on: None,
        wanders: Some(wanders),
    });
    talkers
}

/// Notes in its timeline who came to the group and left it again, as an instance of im-message says.
pub(super) async fn note_changes(stack: &Stack, talkers: &[Talker], run: &mut Run) {
    let wanderers =
        talkers.iter().filter_map(|talker| Some((talker.uid, talker.wanders.as_ref()?)));
    for (uid, Wanderer { group, .. }) in wanderers {
        let of = Conversation::Group(*group);
        let Some(timeline) = run.timelines.iter_mut().find(|timeline| timeline.of == of) else {
            continue;
        };
        let changes = until("the history says who came and left", async || {
            changes_of(stack, timeline.readers[0], of).await
        })
        .await;
        timeline.hidden = changes.iter().map(|entry| entry.seq).collect();
        let spans = timeline.spans.entry(uid).or_default();
        for change in changes.iter().filter(|change| change.from == uid) {
            match (change.kind(), spans.last_mut()) {
                (EntryKind::Joined, _) => spans.push((change.seq, i64::MAX)),
                (_, Some(span)) => span.1 = change.seq,
                // Who came by their own account, and for the history did not, is found by its times.
                (_, None) => {}
            }
        }
    }
}

/// The entries of a conversation that are no messages.
async fn changes_of(stack: &Stack, member: i64, of: Conversation) -> Result<Vec<Entry>, String> {
    let address = stack.addresses_of(Service::Message)[0];
    let client = message_service::Client::new(&stack.channel(format!("static://{address}")));
    let (mut changes, mut after_seq) = (Vec::new(), 0);
    loop {
        let cx = Context::with_timeout(DEADLINE);
        let (user_id, conv_id) = (member, of.to_string());
        let request = FetchRangeReq { user_id, conv_id, after_seq, ..FetchRangeReq::default() };
        let page = client.fetch_range(&cx, request).await.map_err(|status| status.to_string())?;
        if page.complete_to <= after_seq {
            return Ok(changes);
        }
        after_seq = page.complete_to;
        changes.extend(page.entries.into_iter().filter(|entry| entry.kind() != EntryKind::Text));
    }
}

/// Somebody who only comes to see whether one is let in.
pub(super) struct Visitor {
    name: String,
    uid: i64,
}

impl Visitor {
    pub(super) async fn register(stack: &Stack, round: u64) -> Self {
        Self::of(&Person::register(stack, &format!("visitor{round}")).await)
    }

    pub(super) fn of(person: &Person) -> Self {
        Self { name: person.name.clone(), uid: person.uid }
    }

    /// Waits until each gateway lets one in and knows one's groups, for which it asks im-user and
    /// im-group: nobody needs those to talk on.
    pub(super) async fn comes(&self, stack: &Stack) {
        for address in stack.text_addresses() {
            self.comes_to(address).await;
        }
    }

    /// Waits until it does.
    pub(super) async fn comes_to(&self, address: SocketAddr) {
        until(&format!("one can log in at {address}"), async || {
            let seen = self.try_at(address).await.map_err(|error| error.to_string())?;
            let right = [format!("+OK uid={}", self.uid), "+OK groups: ".to_owned()];
            if seen == right { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }

    /// The answers to a log-in and to a question for one's groups.
    async fn try_at(&self, address: SocketAddr) -> io::Result<Vec<String>> {
        let mut client = TextClient::try_connect(address).await?;
        client.try_line().await?;
        client.try_send_bytes(format!("LOGIN {} {PASSWORD}\n", self.name).as_bytes()).await?;
        let entered = client.try_line().await?;
        client.try_send_bytes(b"GROUPS\n").await?;
        let groups = client.try_line().await?;
        Ok([entered, groups].into_iter().flatten().collect())
    }
}
