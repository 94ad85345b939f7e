//! The walk of one message, hop by hop.

use mpim_tests::{Hop, StackBuilder, hops, register_two, until};

on_all_stacks! {
    a_message_takes_the_documented_walk,
}

/// In the order in which they begin.
const WALK: [&str; 8] = [
    "gateway.send",
    "message.send",
    "message.commit",
    "message.dispatch",
    "presence.dispatch",
    "gateway.push",
    "gateway.deliver",
    "gateway.cursor",
];

async fn a_message_takes_the_documented_walk(stack: StackBuilder) {
    let stack = stack
        .set_everywhere("log.filter", "info,walk=debug")
        .set_everywhere("log.spans", true)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let id = ada.send(bob.uid, "follow me").await;
    assert_eq!(bob.client.push().await.id, id);
    let walk = until("all hops are in the logs", async || {
        let mut walk = hops(&stack.logs());
        walk.retain(|hop| hop.msg_ids.contains(&id));
        let names: Vec<_> = walk.iter().map(|hop| hop.name.as_str()).collect();
        let complete = WALK.iter().all(|name| names.contains(name));
        if complete { Ok(walk) } else { Err(format!("{names:?}")) }
    })
    .await;
    let hop = |name: &str| {
        let mut named = walk.iter().filter(|hop| hop.name == name);
        // The sender's session passes over its own message, so its cursor moves, too, and earlier.
        let hop = if name == "gateway.cursor" { named.next_back() } else { named.next() };
        hop.expect("it is complete")
    };
    for pair in WALK.windows(2) {
        let (before, after) = (hop(pair[0]), hop(pair[1]));
        let rounding = before.rounding_us + after.rounding_us;
        assert!(
            before.began_us <= after.began_us + rounding,
            "{} begins before {}:\n{walk:#?}",
            pair[1],
            pair[0]
        );
    }
    // Acknowledged after it was durable, dispatched after it was durable.
    let ends_before = |one: &Hop, other: &Hop| one.ended_us <= other.ended_us;
    assert!(ends_before(hop("message.commit"), hop("message.send")), "{walk:#?}");
    assert!(ends_before(hop("message.send"), hop("gateway.send")), "{walk:#?}");
    let dispatch = hop("message.dispatch");
    assert!(
        hop("message.commit").ended_us <= dispatch.began_us + dispatch.rounding_us,
        "{walk:#?}"
    );
    for once in ["gateway.send", "message.send", "message.commit", "gateway.deliver"] {
        assert_eq!(walk.iter().filter(|hop| hop.name == once).count(), 1, "{once}: {walk:#?}");
    }
}
