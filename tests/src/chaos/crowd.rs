//! Who talks in a round.

use crate::{Conversation, Person, Stack, Talker};

/// Entries without a line that the group begins with: the joins of its members.
pub(super) const JOINS: i64 = 4;

/// Six people with names that only this round has: ada and bob, carl and bob, eve and finn talk to
/// each other, and the first four in a group. Every other one repeats what was not answered.
pub(super) async fn gather(stack: &Stack, round: u64) -> Vec<Talker> {
    let mut people = Vec::new();
    for name in ["ada", "bob", "carl", "dora", "eve", "finn"] {
        people.push(Person::register(stack, &format!("{name}{round}")).await);
    }
    let crew = people[0].client.number(&format!("CREATEGROUP crew{round}"), "group_id").await;
    for member in &mut people[1..4] {
        member.client.expect(&format!("JOINGROUP {crew}"), "+OK joined group").await;
    }
    let crew = Conversation::Group(crew);
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
    };
    people.iter().zip(to).enumerate().map(talker).collect()
}
