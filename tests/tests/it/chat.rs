//! Two people talk, one of them goes away and comes back.

use mpim_tests::{Push, Service, StackBuilder, register_two};

use crate::patience::with_cursors;

on_all_stacks! {
    what_one_says_the_other_sees_in_order,
    what_was_missed_comes_after_the_log_in_in_order_and_before_anything_newer,
    a_pull_is_a_barrier_and_a_second_one_is_empty,
    a_long_absence_comes_back_page_by_page_without_a_hole,
}

fn texts(pushes: &[Push]) -> Vec<&str> {
    pushes.iter().map(|push| push.text.as_str()).collect()
}

async fn what_one_says_the_other_sees_in_order(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    ada.client.expect("ADDFRIEND 2", "+OK friend added").await;
    let mut ids = Vec::new();
    for text in ["hello bob", "how are you?", "\u{4f60}\u{597d} \u{1F980}"] {
        ids.push(ada.send(bob.uid, text).await);
    }
    let pushes = bob.client.pushes(3).await;
    assert_eq!(pushes.iter().map(|push| push.id).collect::<Vec<_>>(), ids);
    assert_eq!(texts(&pushes), ["hello bob", "how are you?", "\u{4f60}\u{597d} \u{1F980}"]);
    let answer = bob.send(ada.uid, "fine").await;
    assert_eq!(ada.client.push().await.id, answer);
    // The sender gets no copy: the answer was the first thing ada was shown.
    assert_eq!(ada.client.pull().await, []);
}

async fn what_was_missed_comes_after_the_log_in_in_order_and_before_anything_newer(
    stack: StackBuilder,
) {
    let stack = with_cursors(stack).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let before = ada.send(bob.uid, "before").await;
    assert_eq!(bob.client.push().await.id, before);
    bob.client.expect("LOGOUT", "+OK logout success").await;
    let mut missed = Vec::new();
    for n in 0..20 {
        missed.push(ada.send(bob.uid, &format!("missed {n}")).await);
    }
    // `log_in` reads the reply and would not take a message before it.
    bob.log_in(&stack).await;
    missed.push(ada.send(bob.uid, "newer").await);
    let pushes = bob.client.pushes(21).await;
    assert_eq!(pushes.iter().map(|push| push.id).collect::<Vec<_>>(), missed);
    assert_eq!(bob.client.pull().await, []);
}

async fn a_pull_is_a_barrier_and_a_second_one_is_empty(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.leave(&stack).await;
    let mut sent = Vec::new();
    for n in 0..10 {
        sent.push(ada.send(bob.uid, &format!("{n}")).await);
    }
    bob.log_in(&stack).await;
    let pulled = bob.client.pull().await;
    assert_eq!(pulled.iter().map(|push| push.id).collect::<Vec<_>>(), sent);
    assert_eq!(bob.client.pull().await, []);
    // What was acknowledged before the PULL is asked for stands before its end.
    for n in 0..50 {
        let id = ada.send(bob.uid, &format!("again {n}")).await;
        let pulled = bob.client.pull().await;
        assert_eq!(pulled.iter().map(|push| push.id).collect::<Vec<_>>(), [id]);
    }
}

async fn a_long_absence_comes_back_page_by_page_without_a_hole(stack: StackBuilder) {
    // Small pages, windows and mailboxes make every bound bind.
    let stack = stack
        .set(Service::Gateway, "session.page_messages", 7)
        .set(Service::Gateway, "session.window_messages_max", 16)
        .set(Service::Gateway, "session.mailbox_max", 4)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.leave(&stack).await;
    let lines: String = (0..500).map(|n| format!("SEND {} {n}\n", bob.uid)).collect();
    ada.client.send_bytes(lines.as_bytes()).await;
    for _ in 0..500 {
        assert!(ada.client.reply().await.starts_with("+OK msg_id="));
    }
    bob.log_in(&stack).await;
    // While they come, more is sent.
    let lines: String = (500..600).map(|n| format!("SEND {} {n}\n", bob.uid)).collect();
    ada.client.send_bytes(lines.as_bytes()).await;
    let pushes = bob.client.pushes(600).await;
    let expected: Vec<_> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(texts(&pushes), expected);
    assert_eq!(bob.client.pull().await, []);
}
