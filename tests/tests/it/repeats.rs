//! The same message again, with the id that its sender gave it.

use mpim_tests::{StackBuilder, register_two};

on_all_stacks! {
    the_same_id_again_is_the_same_message_and_another_text_a_conflict,
    an_id_holds_across_kill_9,
}

async fn the_same_id_again_is_the_same_message_and_another_text_a_conflict(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let id = ada.client.number("SENDID one 2 hello", "msg_id").await;
    assert_eq!(ada.client.number("sendid one 2 hello", "msg_id").await, id);
    ada.client.expect("SENDID one 2 other", "-ERR conflict").await;
    // The id is one of the sender and the conversation.
    let to_group = format!("SENDGROUPID one {group} hello");
    let in_group = ada.client.number(&to_group, "group_msg_id").await;
    assert_eq!(ada.client.number(&to_group, "group_msg_id").await, in_group);
    ada.client.expect(&format!("SENDGROUPID one {group} other"), "-ERR conflict").await;
    let back = bob.client.number("SENDID one 1 back", "msg_id").await;
    assert!(id != in_group && id != back && in_group != back);
    // Many at once, as after a connection that broke.
    let many = "SENDID two 2 again\n".repeat(20);
    ada.client.send_bytes(many.as_bytes()).await;
    let first = ada.client.reply().await;
    for _ in 1..20 {
        assert_eq!(ada.client.reply().await, first);
    }
    assert_eq!(ada.client.history("2", 0, 100).await.len(), 3);
    let texts: Vec<_> = bob.client.pull().await.into_iter().map(|push| push.text).collect();
    assert_eq!(texts.iter().filter(|text| *text == "hello").count(), 2);
    assert_eq!(texts.iter().filter(|text| *text == "again").count(), 1);
    assert_eq!(texts.len(), 3);
}

async fn an_id_holds_across_kill_9(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, bob) = register_two(&stack).await;
    let id = ada.client.number("SENDID one 2 hello", "msg_id").await;
    for process in stack.processes() {
        stack.kill(&process).await;
    }
    for process in stack.processes() {
        stack.restart(&process).await;
    }
    ada.log_in(&stack).await;
    assert_eq!(ada.client.number("SENDID one 2 hello", "msg_id").await, id);
    ada.client.expect("SENDID one 2 other", "-ERR conflict").await;
    let next = ada.client.number("SENDID two 2 next", "msg_id").await;
    assert!(next > id, "ids grow across a crash, too");
    assert_eq!(ada.client.history(&bob.uid.to_string(), 0, 10).await.len(), 2);
}
