//! The walk of one message, hop by hop.

use mpim_tests::{Hop, Stack, StackBuilder, hops, register_two, until};

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
    // Who is put aside between measuring a hop and writing its line seems to have ended it later, so
    // a busy machine may need another message.
    until("a message takes the documented walk", async || {
        let id = ada.send(bob.uid, "follow me").await;
        assert_eq!(bob.client.push().await.id, id);
        let walk = walk_of(&stack, id).await;
        for once in ["gateway.send", "message.send", "message.commit", "gateway.deliver"] {
            assert_eq!(walk.iter().filter(|hop| hop.name == once).count(), 1, "{once}: {walk:#?}");
        }
        in_order(&walk).map_err(|wrong| format!("{wrong}:\n{walk:#?}"))
    })
    .await;
}

/// The hops of a message, once all are in the logs.
async fn walk_of(stack: &Stack, id: i64) -> Vec<Hop> {
    until("all hops are in the logs", async || {
        let mut walk = hops(&stack.logs());
        walk.retain(|hop| hop.msg_ids.contains(&id));
        let names: Vec<_> = walk.iter().map(|hop| hop.name.as_str()).collect();
        let complete = WALK.iter().all(|name| names.contains(name));
        if complete { Ok(walk) } else { Err(format!("{names:?}")) }
    })
    .await
}

/// Whether the hops begin in their order, and what has to wait for another's end has done so; which
/// one did not.
fn in_order(walk: &[Hop]) -> Result<(), String> {
    let hop = |name: &str| {
        let mut named = walk.iter().filter(|hop| hop.name == name);
        // The sender's session passes over its own message, so its cursor moves, too, and earlier.
        let hop = if name == "gateway.cursor" { named.next_back() } else { named.next() };
        hop.expect("it is complete")
    };
    for pair in WALK.windows(2) {
        let (before, after) = (hop(pair[0]), hop(pair[1]));
        let rounding = before.rounding_us + after.rounding_us;
        if before.began_us > after.began_us + rounding {
            return Err(format!("{} begins before {}", pair[1], pair[0]));
        }
    }
    // Acknowledged after it was durable, dispatched after it was durable.
    for (first, last) in [("message.commit", "message.send"), ("message.send", "gateway.send")] {
        if hop(first).ended_us > hop(last).ended_us {
            return Err(format!("{last} ends before {first}"));
        }
    }
    let dispatch = hop("message.dispatch");
    if hop("message.commit").ended_us > dispatch.began_us + dispatch.rounding_us {
        return Err("message.dispatch begins before message.commit ends".to_owned());
    }
    Ok(())
}
