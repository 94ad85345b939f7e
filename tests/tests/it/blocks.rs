//! Who is shut out cannot write to who shuts them out, and to nobody less.

use mpim_tests::{Layout, Service, StackBuilder, register_two};

on_all_stacks! {
    who_is_blocked_is_refused_until_they_are_let_in_again,
    a_block_outlives_a_crash,
}

async fn who_is_blocked_is_refused_until_they_are_let_in_again(stack: StackBuilder) {
    let stack = stack.set(Service::Message, "blocks.per_user_max", 1).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let before = bob.client.number("SENDID k 1 before", "msg_id").await;
    for (command, reply) in [
        ("BLOCKED", "+OK blocked: "),
        ("BLOCK", "-ERR bad uid"),
        ("BLOCK x", "-ERR bad uid"),
        ("BLOCK -2", "-ERR bad uid"),
        ("BLOCK 1", "-ERR bad uid"),
        ("BLOCK 99", "-ERR no such user"),
        ("BLOCK 9223372036854775808", "-ERR bad uid"),
        ("UNBLOCK", "-ERR bad uid"),
        ("UNBLOCK 1", "-ERR bad uid"),
        ("UNBLOCK 99", "-ERR no such user"),
        ("UNBLOCK 2", "+OK user unblocked"),
        ("BLOCK 2", "+OK user blocked"),
        ("BLOCK 2", "+OK user blocked"),
        ("BLOCKED", "+OK blocked: 2"),
    ] {
        ada.client.expect(command, reply).await;
    }
    for (command, reply) in [
        ("SEND 1 hello", "-ERR blocked"),
        ("SENDID a 1 hello", "-ERR blocked"),
        ("SENDID k 1 before", &format!("+OK msg_id={before}")),
        ("SENDID k 1 something else", "-ERR conflict"),
        // Neither their notes nor their own list.
        ("BLOCKED", "+OK blocked: "),
    ] {
        bob.client.expect(command, reply).await;
    }
    let answer = ada.send(bob.uid, "I can still write").await;
    assert_eq!(bob.client.push().await.id, answer);
    ada.client.expect("UNBLOCK 2", "+OK user unblocked").await;
    // A refusal is final for its id.
    bob.client.expect("SENDID a 1 hello", "-ERR blocked").await;
    let after = bob.send(ada.uid, "after").await;
    // What was refused did not come, and does not come later.
    let shown: Vec<_> = ada.client.pushes(2).await.iter().map(|push| push.id).collect();
    assert_eq!(shown, [before, after]);
    assert_eq!(ada.client.pull().await, []);
    let history: Vec<_> =
        ada.client.history("2", 0, 10).await.iter().map(|line| (line.seq, line.id)).collect();
    assert_eq!(history, [(1, before), (2, answer), (3, after)]);
}

async fn a_block_outlives_a_crash(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    ada.client.expect("BLOCK 2", "+OK user blocked").await;
    let process = stack.process_of(Service::Message);
    stack.kill(&process).await;
    stack.restart(&process).await;
    if stack.layout() == Layout::Embedded {
        ada.log_in(&stack).await;
        bob.log_in(&stack).await;
    }
    bob.client.expect("SEND 1 hello", "-ERR blocked").await;
    ada.client.expect("BLOCKED", "+OK blocked: 2").await;
    ada.client.expect("UNBLOCK 2", "+OK user unblocked").await;
    let id = bob.send(ada.uid, "hello").await;
    assert_eq!(ada.client.push().await.id, id);
}
