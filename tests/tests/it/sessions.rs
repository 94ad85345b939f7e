//! Who is connected, and for how long they count as that.

use mpim_tests::{
    ClassicClient, Fields, Layout, Service, Stack, StackBuilder, register_two, until,
};

on_all_stacks! {
    a_second_log_in_closes_the_first,
    a_connection_is_one_session_at_a_time,
    nobody_stays_online_after_their_gateway_was_killed,
}

async fn a_second_log_in_closes_the_first(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut first = std::mem::replace(&mut bob.client, stack.connect().await);
    bob.log_in(&stack).await;
    assert_eq!(first.rest().await, ["-ERR closing logged in elsewhere"]);
    let id = ada.send(bob.uid, "to the second").await;
    assert_eq!(bob.client.push().await.id, id);
}

async fn a_connection_is_one_session_at_a_time(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.client.expect("LOGOUT", "+OK logout success").await;
    let id = ada.send(bob.uid, "for bob alone").await;
    let mut client = std::mem::replace(&mut bob.client, stack.connect().await);
    client.number(&format!("REGISTER carl {}", mpim_tests::PASSWORD), "uid").await;
    assert_eq!(client.pull().await, [], "carl is somebody else");
    client.number(&format!("LOGIN bob {}", mpim_tests::PASSWORD), "uid").await;
    assert_eq!(client.push().await.id, id);
}

/// What im-presence says of a user: the code and text of its answer, and the gateway.
async fn route(stack: &Stack, uid: i64) -> ((i64, String), String) {
    let mut presence = ClassicClient::connect(stack.address(Service::Presence)).await;
    let asked = Fields::new().number(1, uid);
    let answer = presence.call("PresenceService", "QueryRoute", &asked).await;
    (answer.result(), answer.text(2))
}

async fn is_online(stack: &Stack, uid: i64) {
    until("the user is online", async || match route(stack, uid).await {
        ((0, said), gateway) if said == "ok" && !gateway.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn is_offline(stack: &Stack, uid: i64) {
    until("the user is offline", async || match route(stack, uid).await {
        ((2, said), _) if said == "no route" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn nobody_stays_online_after_their_gateway_was_killed(stack: StackBuilder) {
    let mut stack =
        stack.set(Service::Presence, "routes.ttl_ms", 6_000).classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    is_online(&stack, bob.uid).await;
    bob.leave(&stack).await;
    is_offline(&stack, bob.uid).await;
    bob.log_in(&stack).await;
    is_online(&stack, bob.uid).await;

    let gateway = stack.process_of(Service::Gateway);
    stack.kill(&gateway).await;
    if stack.layout() != Layout::Embedded {
        is_offline(&stack, bob.uid).await;
    }
    stack.restart(&gateway).await;
    if stack.layout() == Layout::Embedded {
        is_offline(&stack, bob.uid).await;
    }
    ada.log_in(&stack).await;
    let id = ada.send(bob.uid, "while he is away").await;
    bob.log_in(&stack).await;
    assert_eq!(bob.client.push().await.id, id);
    is_online(&stack, bob.uid).await;
}
