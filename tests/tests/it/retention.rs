//! Old messages go, from the front; whoever was behind goes on with what is left.

use mpim_tests::{Person, Service, StackBuilder, register_two, until};

on_all_stacks! {
    who_was_away_while_old_messages_went_gets_what_is_left_and_hangs_on_nothing,
    who_is_behind_while_old_messages_go_gets_what_is_left_and_hangs_on_nothing,
}

/// So many stay, a moment after they were written.
fn keeping_five(stack: StackBuilder) -> StackBuilder {
    stack
        .set(Service::Message, "retention.pair_entries_max", 5)
        .set(Service::Message, "retention.young_s", 0)
        .set(Service::Message, "retention.interval_ms", 50)
        .set(Service::Message, "retention.batch_entries_max", 3)
}

/// Sends twenty messages and waits until the last five are left; the ids of all.
async fn send_until_five_are_kept(person: &mut Person, to: i64) -> Vec<i64> {
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(person.send(to, &n.to_string()).await);
    }
    let (client, peer) = (&mut person.client, to.to_string());
    until("only five are kept", async || match client.history(&peer, 0, 100).await.len() {
        5 => Ok(()),
        kept => Err(format!("{kept} are kept")),
    })
    .await;
    sent
}

async fn who_was_away_while_old_messages_went_gets_what_is_left_and_hangs_on_nothing(
    stack: StackBuilder,
) {
    let stack = keeping_five(stack).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "seen").await;
    assert_eq!(bob.client.push().await.id, first);
    bob.client.expect(&format!("ACK {first}"), "+OK acked").await;
    bob.leave(&stack).await;
    let sent = send_until_five_are_kept(&mut ada, bob.uid).await;
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    assert_eq!(shown, sent[15..], "what is left, in order");
    // The conversation goes on, with numbers that go on, and pushes arrive.
    let next = ada.send(bob.uid, "next").await;
    assert_eq!(bob.client.push().await.id, next);
    let history = bob.client.history("1", 0, 100).await;
    assert_eq!(history.last().map(|line| (line.seq, line.id)), Some((22, next)));
    assert!(history.windows(2).all(|two| two[0].seq + 1 == two[1].seq), "{history:?}");
}

/// The session is there all the time, and its client takes its time.
async fn who_is_behind_while_old_messages_go_gets_what_is_left_and_hangs_on_nothing(
    stack: StackBuilder,
) {
    let stack = keeping_five(stack).set(Service::Gateway, "session.window_messages_max", 4);
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.client.expect("ACK 1", "+OK acked").await;
    let sent = send_until_five_are_kept(&mut ada, bob.uid).await;
    // A window, unless some of it went before it was fetched; then what is left.
    let mut shown = Vec::new();
    while shown.last() != sent.last() {
        let id = bob.client.push().await.id;
        shown.push(id);
        bob.client.send(&format!("ACK {id}")).await;
        assert_eq!(bob.client.reply().await, "+OK acked");
    }
    assert!(shown.windows(2).all(|two| two[0] < two[1]), "in order, nothing twice: {shown:?}");
    assert!(shown.ends_with(&sent[15..]), "{shown:?} of {sent:?}");
    assert!(shown.len() < sent.len(), "most were gone before it came to them");
    let next = ada.send(bob.uid, "next").await;
    assert_eq!(bob.client.push().await.id, next);
}
