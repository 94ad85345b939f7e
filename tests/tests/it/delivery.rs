//! Nothing goes before the client has it, and what it has does not come again.

use mpim_tests::{
    ClassicClient, Fields, Push, Service, Stack, StackBuilder, TextClient, register_two, until,
};

use crate::patience::with_cursors;

on_all_stacks! {
    what_a_client_received_does_not_come_again,
    what_a_client_did_not_take_comes_again_with_the_same_ids,
    a_client_that_acknowledges_gets_again_what_it_did_not_acknowledge,
    an_acknowledgement_covers_its_own_conversation_only,
}

fn ids(pushes: &[Push]) -> Vec<i64> {
    pushes.iter().map(|push| push.id).collect()
}

async fn what_a_client_received_does_not_come_again(stack: StackBuilder) {
    let stack = with_cursors(stack).classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for round in 0..5 {
        let id = ada.send(bob.uid, &format!("round {round}")).await;
        assert_eq!(ids(&bob.client.pushes(1).await), [id]);
        // At once: the cursor that is written from time to time has not been written.
        bob.leave(&stack).await;
        bob.log_in(&stack).await;
        assert_eq!(bob.client.pull().await, [], "round {round}");
    }
}

async fn what_a_client_did_not_take_comes_again_with_the_same_ids(stack: StackBuilder) {
    // Less than a window, so that the server writes all of it.
    const COUNT: usize = 200;
    let stack = with_cursors(stack).classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.leave(&stack).await;
    let filling = "x".repeat(4_000);
    let mut sent = Vec::new();
    for n in 0..COUNT {
        sent.push(ada.send(bob.uid, &format!("{n} {filling}")).await);
    }
    // A client that logs in and reads nothing after the reply. Its system takes a few messages for
    // it, which nobody can tell from reading; all others are still with the server.
    let mut lazy = TextClient::connect_with_buffer(stack.text_address(), 4_096).await;
    let log_in = format!("LOGIN bob {}", mpim_tests::PASSWORD);
    lazy.expect(&log_in, &format!("+OK uid={}", bob.uid)).await;
    until("what its system took counts as delivered", async || {
        match cursor(&stack, bob.uid, "c2c_1_2").await {
            0 => Err("nothing does"),
            _ => Ok(()),
        }
    })
    .await;
    drop(lazy);
    bob.log_in(&stack).await;
    let again = ids(&bob.client.pull().await);
    assert!(sent.ends_with(&again), "the rest, in order, with the same ids");
    assert!(again.len() > COUNT / 2, "{} of {COUNT} came again", again.len());
    bob.leave(&stack).await;
    bob.log_in(&stack).await;
    assert_eq!(bob.client.pull().await, [], "now it has them");
}

/// Up to where im-message knows that a user has a conversation.
async fn cursor(stack: &Stack, uid: i64, conversation: &str) -> i64 {
    let mut message = ClassicClient::connect(stack.address(Service::Message)).await;
    let asked = Fields::new().number(1, uid).text(2, "text").text(3, conversation);
    let answer = message.call("MessageService", "GetPositions", &asked).await;
    answer.messages(2)[0].number(2)
}

async fn a_client_that_acknowledges_gets_again_what_it_did_not_acknowledge(stack: StackBuilder) {
    let stack = with_cursors(stack).classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "first").await;
    assert_eq!(bob.client.push().await.id, first);
    bob.client.expect(&format!("ACK {first}"), "+OK acked").await;
    let mut sent = Vec::new();
    for n in 0..10 {
        sent.push(ada.send(bob.uid, &format!("{n}")).await);
    }
    assert_eq!(ids(&bob.client.pushes(10).await), sent);
    bob.client.expect(&format!("ACK {}", sent[3]), "+OK acked").await;
    bob.log_in(&stack).await;
    assert_eq!(ids(&bob.client.pull().await), sent[4..]);
    // This connection has acknowledged nothing, so what its system has counts again; and that goes
    // with the next thing that it sends.
    bob.client.expect("PING", "+OK pong").await;
    bob.log_in(&stack).await;
    assert_eq!(bob.client.pull().await, []);
}

async fn an_acknowledgement_covers_its_own_conversation_only(stack: StackBuilder) {
    let stack = with_cursors(stack).classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    // The first acknowledgement says that this connection acknowledges.
    let first = ada.send(bob.uid, "first").await;
    bob.client.push().await;
    bob.client.expect(&format!("ACK {first}"), "+OK acked").await;
    let direct = ada.send(bob.uid, "direct").await;
    let to_group = ada.send_group(group, "to the group").await;
    let mut shown = ids(&bob.client.pushes(2).await);
    shown.sort_unstable();
    assert_eq!(shown, [direct, to_group]);
    bob.client.expect(&format!("ACK {to_group}"), "+OK acked").await;
    bob.log_in(&stack).await;
    assert_eq!(ids(&bob.client.pull().await), [direct]);
}
