//! Messages to a group reach every member, online or not, and nobody else.

use mpim_tests::{Person, StackBuilder, register_two};

on_all_stacks! {
    a_group_message_reaches_members_online_and_offline,
    who_leaves_reads_no_more_and_who_joins_sees_from_then_on,
}

async fn a_group_message_reaches_members_online_and_offline(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let mut dora = Person::register(&stack, "dora").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    for member in [&mut bob, &mut carl] {
        member.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    }
    carl.leave(&stack).await;
    let mut sent = Vec::new();
    for n in 0..10 {
        sent.push(ada.send_group(group, &format!("{n}")).await);
    }
    let online = bob.client.pushes(10).await;
    carl.log_in(&stack).await;
    let offline = carl.client.pull().await;
    for pushes in [online, offline] {
        let shown: Vec<_> = pushes.iter().map(|push| (push.id, push.from, push.group)).collect();
        let expected: Vec<_> = sent.iter().map(|id| (*id, ada.uid, Some(group))).collect();
        assert_eq!(shown, expected);
    }
    for other in [&mut ada, &mut dora] {
        assert_eq!(other.client.pull().await, [], "{} has nothing to read", other.name);
    }
}

async fn who_leaves_reads_no_more_and_who_joins_sees_from_then_on(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let first = ada.send_group(group, "before").await;
    assert_eq!(bob.client.push().await.id, first);
    bob.client.expect(&format!("LEAVEGROUP {group}"), "+OK left group").await;
    carl.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let second = ada.send_group(group, "between").await;
    assert_eq!(carl.client.push().await.id, second);
    assert_eq!(bob.client.pull().await, [], "bob is not a member");
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let third = ada.send_group(group, "after").await;
    assert_eq!(bob.client.push().await.id, third);
    assert_eq!(carl.client.push().await.id, third);
    let history = async |person: &mut Person| {
        let lines = person.client.history(&format!("g{group}"), 0, 100).await;
        lines.into_iter().map(|line| line.id).collect::<Vec<_>>()
    };
    assert_eq!(history(&mut ada).await, [first, second, third]);
    assert_eq!(history(&mut bob).await, [first, third], "only while he was a member");
    assert_eq!(history(&mut carl).await, [second, third]);
    // Away and back: the same holds for what is synced.
    bob.client.expect(&format!("LEAVEGROUP {group}"), "+OK left group").await;
    bob.leave(&stack).await;
    ada.send_group(group, "not for bob").await;
    bob.log_in(&stack).await;
    assert_eq!(bob.client.pull().await, []);
}
