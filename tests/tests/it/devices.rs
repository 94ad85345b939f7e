//! Several devices of a user.

use mpim_tests::{Layout, Push, Service, StackBuilder, TextClient, register_two, until};

use crate::patience::with_cursors;

on_all_stacks! {
    each_device_sees_everything_once_and_in_order_whatever_is_killed,
    the_policy_of_a_class_decides_who_stays,
    the_first_device_begins_at_the_beginning_and_a_new_one_at_the_head,
    a_revoked_device_is_put_out_and_comes_back_as_a_new_one,
    a_revocation_outlives_whatever_is_killed,
}

fn texts(pushes: &[Push]) -> Vec<&str> {
    pushes.iter().map(|push| push.text.as_str()).collect()
}

/// Waits until somebody's devices are these: a route that could not be bound at once is bound soon.
async fn lists(client: &mut TextClient, devices: &str) {
    until(devices, async || match client.ask("DEVICES").await {
        said if said == devices => Ok(()),
        said => Err(said),
    })
    .await;
}

/// What bob and ada say, in its order: each of ada's devices sees all of it but what it said itself.
async fn each_device_sees_everything_once_and_in_order_whatever_is_killed(stack: StackBuilder) {
    let mut stack = with_cursors(stack).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    let both = "+OK devices: mobile:a online, text online";
    lists(&mut mobile, both).await;
    bob.send(ada.uid, "1 bob").await;
    mobile.number(&format!("SEND {} 2 mobile", bob.uid), "msg_id").await;
    ada.send(bob.uid, "3 text").await;
    let shown = ada.client.pushes(2).await;
    assert_eq!(texts(&shown), ["1 bob", "2 mobile"]);
    assert_eq!((shown[0].to, shown[1].to), (None, Some(bob.uid)), "only the copy says to whom");
    assert_eq!(texts(&mobile.pushes(2).await), ["1 bob", "3 text"]);
    assert_eq!(texts(&bob.client.pushes(2).await), ["2 mobile", "3 text"]);
    // The cursor of one does not move the other's.
    ada.client.expect("LOGOUT", "+OK logout success").await;
    bob.send(ada.uid, "4 bob").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["4 bob"]);
    mobile.expect("LOGOUT", "+OK logout success").await;
    bob.send(ada.uid, "5 bob").await;

    for service in [Service::Message, Service::Presence, Service::Gateway] {
        let process = stack.process_of(service);
        stack.kill(&process).await;
        stack.restart(&process).await;
    }
    bob.log_in(&stack).await;
    bob.send(ada.uid, "6 bob").await;
    ada.log_in(&stack).await;
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    assert_eq!(texts(&ada.client.pushes(3).await), ["4 bob", "5 bob", "6 bob"]);
    assert_eq!(texts(&mobile.pushes(2).await), ["5 bob", "6 bob"]);
    mobile.number(&format!("SEND {} 7 mobile", bob.uid), "msg_id").await;
    assert_eq!(texts(&ada.client.pushes(1).await), ["7 mobile"]);
    assert!(mobile.pull().await.is_empty() && ada.client.pull().await.is_empty());
}

async fn the_policy_of_a_class_decides_who_stays(stack: StackBuilder) {
    let stack = stack.set(Service::Presence, "devices.mobile", "kick");
    let stack = stack.set(Service::Presence, "devices.text", "allow").start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut first = ada.on_device(&stack, "mobile:a").await;
    let mut second = ada.on_device(&stack, "mobile:b").await;
    assert_eq!(first.rest().await, ["-ERR closing logged in elsewhere"]);
    let mut other_text = ada.on_device(&stack, "text").await;
    bob.send(ada.uid, "to all that stayed").await;
    for client in [&mut second, &mut other_text, &mut ada.client] {
        assert_eq!(client.push().await.text, "to all that stayed");
    }
}

async fn the_first_device_begins_at_the_beginning_and_a_new_one_at_the_head(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    ada.client.expect("LOGOUT", "+OK logout success").await;
    for text in ["1", "2"] {
        bob.send(ada.uid, text).await;
    }
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    assert!(mobile.pull().await.is_empty());
    let history = mobile.history(&bob.uid.to_string(), 0, 9).await;
    assert_eq!(history.len(), 2, "it is there for whoever asks");
    bob.send(ada.uid, "3").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["3"]);
    let all = "+OK devices: mobile:a online, text offline";
    lists(&mut mobile, all).await;
    mobile.expect("LOGOUT", "+OK logout success").await;
    bob.send(ada.uid, "4").await;
    ada.log_in(&stack).await;
    assert_eq!(texts(&ada.client.pushes(4).await), ["1", "2", "3", "4"]);
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["4"], "it is new once");
}

async fn a_revoked_device_is_put_out_and_comes_back_as_a_new_one(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    bob.send(ada.uid, "1").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["1"]);
    ada.client.push().await;
    for (said, reply) in [
        ("REVOKE", "-ERR REVOKE <device>"),
        ("REVOKE phone", "-ERR bad device"),
        ("REVOKE mobile:b", "-ERR no such device"),
        ("REVOKE mobile:a", "+OK revoked"),
        ("REVOKE mobile:a", "-ERR no such device"),
    ] {
        ada.client.expect(said, reply).await;
    }
    assert_eq!(mobile.rest().await, ["-ERR closing device revoked"]);
    lists(&mut ada.client, "+OK devices: text online").await;
    bob.client.expect("REVOKE mobile:a", "-ERR no such device").await;
    bob.send(ada.uid, "2").await;

    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    assert!(mobile.pull().await.is_empty(), "it begins at the head");
    bob.send(ada.uid, "3").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["3"]);
    assert_eq!(texts(&ada.client.pushes(2).await), ["2", "3"]);
    mobile.send("REVOKE mobile:a").await;
    let last = mobile.rest().await.pop();
    assert_eq!(last.as_deref(), Some("-ERR closing device revoked"), "one may put oneself out");
}

async fn a_revocation_outlives_whatever_is_killed(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    let alone = stack.layout() == Layout::Embedded;
    let [user, message, presence] =
        [Service::User, Service::Message, Service::Presence].map(|it| stack.process_of(it));
    if !alone {
        // Nobody who has to be told is there.
        stack.kill(&message).await;
        stack.kill(&presence).await;
    }
    ada.client.expect("REVOKE mobile:a", "+OK revoked").await;
    stack.kill(&user).await;
    stack.restart(&user).await;
    if !alone {
        stack.restart(&message).await;
        stack.restart(&presence).await;
        let last = mobile.rest().await.pop();
        // Its gateway is told, or asks when it finds its route missing, whichever comes first.
        let reasons = ["-ERR closing device revoked", "-ERR closing logged out"];
        assert!(reasons.contains(&last.as_deref().unwrap_or_default()), "{last:?}");
    }
    ada.log_in(&stack).await;
    bob.log_in(&stack).await;
    bob.send(ada.uid, "1").await;
    let mut mobile = ada.on_device(&stack, "mobile:a").await;
    assert!(mobile.pull().await.is_empty(), "it is a new one");
    bob.send(ada.uid, "2").await;
    assert_eq!(texts(&mobile.pushes(1).await), ["2"]);
    assert_eq!(texts(&ada.client.pushes(2).await), ["1", "2"]);
}
