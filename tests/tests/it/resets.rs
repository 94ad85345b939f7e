//! Clients whose connection is reset: what their system had taken for them, and they had not read.

use mpim_tests::{
    Instance, Layout, PASSWORD, Proxy, Service, StackBuilder, TextClient, get, register_two, until,
};

use crate::patience::with_cursors;

on_all_stacks! {
    what_a_client_had_not_read_when_it_was_reset_comes_again,
    no_cursor_passes_what_the_system_of_a_client_had_when_it_was_reset,
    who_acknowledges_loses_nothing_by_a_reset,
    who_acknowledges_loses_nothing_to_a_proxy_that_drops_what_it_took,
}

/// The bytes of a push of a text message.
fn line_bytes(id: i64, from: i64, text: &str) -> u64 {
    let now_ms = "1700000000000";
    format!("MSG id={id} from={from} ts={now_ms} text={text}\n").len() as u64
}

/// Waits until the system of a client has so many bytes more than before.
async fn system_has(client: &TextClient, bytes: u64) {
    until(&format!("{bytes} bytes have come"), async || match client.unread_bytes() {
        unread if unread >= bytes => Ok(()),
        unread => Err(unread),
    })
    .await;
}

async fn what_a_client_had_not_read_when_it_was_reset_comes_again(stack: StackBuilder) {
    // Nobody looks meanwhile how far the client is: what was not counted when it was reset does not
    // count, though its system has acknowledged all of it.
    let stack = with_cursors(stack)
        .set(Service::Gateway, "session.cursor_interval_ms", 60_000)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let (mut sent, mut bytes) = (Vec::new(), bob.client.unread_bytes());
    for number in 0..10 {
        let text = format!("not read {number}");
        let id = ada.send(bob.uid, &text).await;
        bytes += line_bytes(id, ada.uid, &text);
        sent.push(id);
    }
    system_has(&bob.client, bytes).await;
    std::mem::replace(&mut bob.client, stack.connect().await).reset();
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    assert_eq!(shown, sent);
}

async fn no_cursor_passes_what_the_system_of_a_client_had_when_it_was_reset(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "session.cursor_interval_ms", 5).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.client = TextClient::connect_with_buffer(stack.text_address(), 4_096).await;
    let log_in = format!("LOGIN {} {PASSWORD}", bob.name);
    bob.client.expect(&log_in, &format!("+OK uid={}", bob.uid)).await;
    let text = "x".repeat(2_000);
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(ada.send(bob.uid, &text).await);
    }
    // Its system takes no more than its buffer.
    let (mut last, mut times) = (0, 0);
    until("its system takes no more", async || {
        let before = std::mem::replace(&mut last, bob.client.unread_bytes());
        times = if before == last { times + 1 } else { 0 };
        if times >= 100 && last > 0 { Ok(()) } else { Err(last) }
    })
    .await;
    let again = stack.connect().await;
    let had = bob.client.unread_bytes();
    std::mem::replace(&mut bob.client, again).reset();
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    let skipped = &sent[..sent.len() - shown.len()];
    assert_eq!(shown, sent[skipped.len()..], "the rest, in order");
    let skipped: u64 = skipped.iter().map(|id| line_bytes(*id, ada.uid, &text)).sum();
    assert!(skipped <= had, "{skipped} bytes are not shown again, its system had {had}");
}

async fn who_acknowledges_loses_nothing_by_a_reset(stack: StackBuilder) {
    let stack =
        with_cursors(stack).set(Service::Gateway, "session.cursor_interval_ms", 5).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.client.expect("ACK 1", "+OK acked").await;
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(ada.send(bob.uid, &number.to_string()).await);
    }
    let shown: Vec<_> = bob.client.pushes(5).await.iter().map(|push| push.id).collect();
    assert_eq!(shown, sent[..5]);
    bob.client.expect(&format!("ACK {}", sent[2]), "+OK acked").await;
    std::mem::replace(&mut bob.client, stack.connect().await).reset();
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    assert_eq!(shown, sent[3..]);
}

async fn who_acknowledges_loses_nothing_to_a_proxy_that_drops_what_it_took(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let proxy = Proxy::to(stack.text_address()).await;
    bob.client = TextClient::connect(proxy.address()).await;
    let right = format!("+OK uid={}", bob.uid);
    bob.client.expect(&format!("LOGIN {} {PASSWORD}", bob.name), &right).await;
    // Without this, what the system of the proxy acknowledges counts as shown to bob.
    bob.client.expect("ACK 1", "+OK acked").await;
    proxy.half_close();
    assert_eq!(bob.client.rest().await, [] as [&str; 0]);
    let id = ada.send(bob.uid, "not for the proxy").await;
    // The one process has one, which is found as that of its first service.
    let service = match stack.layout() {
        Layout::Embedded => Service::User,
        Layout::Five | Layout::Cluster => Service::Gateway,
    };
    let gateway = stack.admin_address(Instance { service, number: 1 });
    until("the gateway has written it", async || match get(gateway, "/metrics").await {
        Ok((200, said)) if said.contains("mpim_gateway_messages_shown_total 1") => Ok(()),
        other => Err(format!("{:?}", other.map(|(status, _)| status))),
    })
    .await;
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    assert_eq!(shown, [id]);
}
