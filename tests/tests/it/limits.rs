//! What is bounded, and what happens at the bound.

use mpim_tests::{
    PASSWORD, Person, Push, Service, Stack, StackBuilder, TextClient, WELCOME, register_two, until,
};
use tokio::task::JoinSet;

on_all_stacks! {
    who_does_not_log_in_in_time_is_closed_however_busy,
    one_connection_too_many_is_told_so,
    who_sends_too_fast_is_told_so_and_nothing_of_that_is_stored,
    who_does_not_read_is_cut_off_without_hurting_others_and_loses_nothing,
    one_of_many_who_want_the_same_name_gets_it,
    shorter_passwords_are_taken_where_that_is_configured,
}

async fn who_does_not_log_in_in_time_is_closed_however_busy(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "text.login_timeout_ms", 2_000).start().await;
    let mut ada = Person::register(&stack, "ada").await;
    let mut busy = stack.connect().await;
    // A byte at a time, and never the end of a line.
    while busy.try_send_bytes(b"x").await.is_ok() {
        tokio::task::yield_now().await;
    }
    // The connection may be reset before the reason was read, since more was sent meanwhile.
    let lines = busy.rest().await;
    let known = ["-ERR line too long", "-ERR closing login timeout"];
    assert!(lines.iter().all(|line| known.contains(&line.as_str())), "{lines:?}");
    let mut idle = stack.connect().await;
    assert_eq!(idle.rest().await, ["-ERR closing login timeout"]);
    ada.client.expect("PING", "+OK pong").await;
}

async fn one_connection_too_many_is_told_so(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "text.connections_max", 2).start().await;
    let first = with_room(&stack).await;
    let mut second = with_room(&stack).await;
    let mut third = TextClient::try_connect(stack.text_address()).await.unwrap();
    assert_eq!(third.rest().await, ["-ERR closing server full"]);
    second.expect("PING", "+OK pong").await;
    drop(first);
    with_room(&stack).await;
}

/// A connection that is welcomed once there is room: those that were closed may still be counted.
async fn with_room(stack: &Stack) -> TextClient {
    until("there is room", async || {
        let mut next = TextClient::try_connect(stack.text_address()).await.unwrap();
        let line = next.line().await;
        if line == WELCOME { Ok(next) } else { Err(line) }
    })
    .await
}

async fn who_sends_too_fast_is_told_so_and_nothing_of_that_is_stored(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "session.messages_per_s", 5).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let lines: String = (0..50).map(|n| format!("SEND {} {n}\n", bob.uid)).collect();
    ada.client.send_bytes(lines.as_bytes()).await;
    let mut taken = Vec::new();
    for n in 0..50 {
        match ada.client.reply().await {
            reply if reply.starts_with("+OK msg_id=") => taken.push(n.to_string()),
            reply => assert_eq!(reply, "-ERR slow down"),
        }
    }
    assert!((5..50).contains(&taken.len()), "{taken:?}");
    let stored = ada.client.history("2", 0, 100).await;
    assert_eq!(
        stored.iter().map(|line| &line.text).collect::<Vec<_>>(),
        taken.iter().collect::<Vec<_>>()
    );
    assert_eq!(bob.client.pushes(taken.len()).await.len(), taken.len());
}

async fn who_does_not_read_is_cut_off_without_hurting_others_and_loses_nothing(
    stack: StackBuilder,
) {
    const COUNT: usize = 1_000;
    let stack = stack
        .set(Service::Gateway, "session.stalled_ms", 500)
        .set(Service::Gateway, "session.window_bytes_max", 65_536)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    let mut silent = TextClient::connect_with_buffer(stack.text_address(), 4_096).await;
    silent.number(&format!("LOGIN bob {PASSWORD}"), "uid").await;
    let filling = "x".repeat(4_000);
    let mut sent = Vec::new();
    for n in 0..COUNT {
        sent.push(ada.send(bob.uid, &format!("{n} {filling}")).await);
        if n % 100 == 0 {
            let id = ada.send(carl.uid, "you are not hurt").await;
            assert_eq!(carl.client.push().await.id, id);
        }
    }
    // Only now bob looks: at what his system had taken for him, and then at the end.
    let seen = silent.rest().await;
    let seen: Vec<_> = seen.iter().filter_map(|line| Push::parse(line)).collect();
    assert!(seen.len() < COUNT / 2, "{} were taken for a client that does not read", seen.len());
    bob.log_in(&stack).await;
    let rest = bob.client.pull().await;
    let seen: Vec<_> = seen.iter().map(|push| push.id).collect();
    let rest: Vec<_> = rest.iter().map(|push| push.id).collect();
    assert!(sent.starts_with(&seen) && sent.ends_with(&rest), "in order, from both ends");
    assert!(seen.len() + rest.len() >= COUNT, "{} and {} of {COUNT}", seen.len(), rest.len());
}

async fn one_of_many_who_want_the_same_name_gets_it(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut all = JoinSet::new();
    for name in ["ada", "Ada", "ADA", "ada", "aDa", "ada", "ada", "adA"] {
        let address = stack.text_address();
        all.spawn(async move {
            let mut client = TextClient::connect(address).await;
            client.ask(&format!("REGISTER {name} {PASSWORD}")).await
        });
    }
    let mut replies = all.join_all().await;
    let losers = replies.extract_if(.., |reply| reply == "-ERR exists").count();
    assert_eq!(losers, 7);
    assert_eq!(replies, ["+OK uid=1"]);
}

async fn shorter_passwords_are_taken_where_that_is_configured(stack: StackBuilder) {
    let stack = stack.set(Service::User, "password.length_min", 6).start().await;
    let mut client = stack.connect().await;
    client.expect("REGISTER user1 12345", "-ERR weak password").await;
    client.expect("REGISTER user1 123456", "+OK uid=1").await;
    client.expect("LOGIN user1 123456", "+OK uid=1").await;
}
