//! People at different gateways.

use mpim_tests::{PASSWORD, Person, Service, Stack, register_two};

use super::process;
use crate::patience::with_cursors;

/// Moves a person to another gateway. Their old connection is closed by the server.
async fn move_to(stack: &Stack, person: &mut Person, gateway: usize) {
    let mut client = stack.connect_to(gateway).await;
    let reply = format!("+OK uid={}", person.uid);
    client.expect(&format!("LOGIN {} {PASSWORD}", person.name), &reply).await;
    person.client = client;
}

#[tokio::test]
async fn a_group_message_fans_out_over_two_gateways() {
    let Some(builder) = Stack::cluster().await else { return };
    let stack = builder.instances(2).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let mut dora = Person::register(&stack, "dora").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    for member in [&mut bob, &mut carl, &mut dora] {
        member.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    }
    move_to(&stack, &mut bob, 2).await;
    move_to(&stack, &mut carl, 2).await;
    dora.leave(&stack).await;
    let mut sent = Vec::new();
    for n in 0..20 {
        let sender = if n % 2 == 0 { &mut ada } else { &mut bob };
        sent.push(sender.send_group(group, &format!("{n}")).await);
    }
    let others = |me: usize| {
        let not_mine = move |(n, _): &(usize, &i64)| n % 2 != me;
        sent.iter().enumerate().filter(not_mine).map(|(_, id)| *id).collect::<Vec<_>>()
    };
    for (person, expected) in [(&mut ada, others(0)), (&mut bob, others(1)), (&mut carl, others(2))]
    {
        let shown = person.client.pushes(expected.len()).await;
        let shown: Vec<_> = shown.into_iter().map(|push| push.id).collect();
        assert_eq!(shown, expected, "{}", person.name);
    }
    move_to(&stack, &mut dora, 2).await;
    let missed: Vec<_> = dora.client.pull().await.into_iter().map(|push| push.id).collect();
    assert_eq!(missed, sent);
}

#[tokio::test]
async fn a_log_in_at_another_gateway_closes_the_older_session() {
    let Some(builder) = Stack::cluster().await else { return };
    let stack = with_cursors(builder.instances(2)).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for gateway in [2, 1, 2] {
        let mut old = std::mem::replace(&mut bob.client, stack.connect_to(gateway).await);
        bob.client.expect(&format!("LOGIN bob {PASSWORD}"), "+OK uid=2").await;
        assert_eq!(old.rest().await, ["-ERR closing logged in elsewhere"]);
        let id = ada.send(bob.uid, "to the new one").await;
        assert_eq!(bob.client.push().await.id, id);
    }
}

#[tokio::test]
async fn who_was_at_a_gateway_that_was_killed_goes_on_at_the_other() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    move_to(&stack, &mut bob, 2).await;
    let seen = ada.send(bob.uid, "seen").await;
    assert_eq!(bob.client.push().await.id, seen);
    bob.client.expect(&format!("ACK {seen}"), "+OK acked").await;
    bob.client.expect("PING", "+OK pong").await;
    stack.kill(process(Service::Gateway, 2)).await;
    let missed = [ada.send(bob.uid, "one").await, ada.send(bob.uid, "two").await];
    move_to(&stack, &mut bob, 1).await;
    let mut shown: Vec<_> = bob.client.pull().await.into_iter().map(|push| push.id).collect();
    // That it was seen may not have been stored yet when the gateway died.
    shown.retain(|id| *id != seen);
    assert_eq!(shown, missed);
    let next = bob.send(ada.uid, "back").await;
    assert_eq!(ada.client.push().await.id, next);
}
