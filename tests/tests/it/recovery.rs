//! A service that is away takes with it what only it can do, and comes back by itself.

use mpim_tests::{
    ClassicClient, Fields, Layout, Service, Stack, TextClient, free_address, register_two, until,
};
use rustix::process::Signal;
use tokio::net::TcpListener;

/// What a command is answered while the service behind it is away.
const UNAVAILABLE: &str = "-ERR unavailable, try again";

/// The five processes, as they are configured.
async fn five() -> Stack {
    Stack::builder(Layout::Five).start().await
}

#[tokio::test]
async fn what_was_sent_while_presence_was_dead_or_frozen_arrives_by_itself() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let warm = ada.send(bob.uid, "warm").await;
    assert_eq!(bob.client.push().await.id, warm);
    for _ in 0..3 {
        stack.kill("im-presence").await;
        let id = ada.send(bob.uid, "while it is dead").await;
        stack.restart("im-presence").await;
        assert_eq!(bob.client.push().await.id, id);

        stack.process("im-presence").signal(Signal::STOP);
        let id = ada.send(bob.uid, "while it is frozen").await;
        stack.process("im-presence").signal(Signal::CONT);
        assert_eq!(bob.client.push().await.id, id);
    }
    assert_eq!(bob.client.pull().await, []);
}

/// `Send` on the classic route, which needs no gateway; the id.
async fn send_past_the_gateway(stack: &Stack, from: i64, to: i64) -> i64 {
    let mut message = ClassicClient::connect(stack.address(Service::Message)).await;
    let sent = Fields::new().number(2, from).number(3, to).text(5, "past the gateway");
    message.call("MessageService", "Send", &Fields::new().message(1, &sent)).await.number(2)
}

#[tokio::test]
async fn what_was_sent_while_the_gateway_was_frozen_and_its_routes_expired_arrives_by_itself() {
    let builder = Stack::builder(Layout::Five).set(Service::Presence, "routes.ttl_ms", 2_000);
    let mut stack = builder.classic_callers().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let warm = ada.send(bob.uid, "warm").await;
    assert_eq!(bob.client.push().await.id, warm);
    let mut presence = ClassicClient::connect(stack.address(Service::Presence)).await;
    stack.process("im-gateway").signal(Signal::STOP);
    until("its routes have expired", async || {
        let asked = Fields::new().number(1, bob.uid);
        let answer = presence.call("PresenceService", "QueryRoute", &asked).await;
        if answer.result().1 == "no route" { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    let id = send_past_the_gateway(&stack, ada.uid, bob.uid).await;
    stack.process("im-gateway").signal(Signal::CONT);
    assert_eq!(bob.client.push().await.id, id);
    let id = bob.send(ada.uid, "routes are back").await;
    assert_eq!(ada.client.push().await.id, id);
}

#[tokio::test]
async fn pushes_that_nobody_answers_are_missed_by_their_number_and_fetched() {
    // im-presence is told to push to where everything is taken and nothing is answered. The routes
    // stay, so nothing but the number of the last push tells the gateway.
    let void = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let advertised = void.local_addr().unwrap();
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = void.accept().await {
            taken.push(stream);
        }
    });
    let stack = Stack::builder(Layout::Five)
        .set(Service::Gateway, "rpc.advertise", advertised)
        .set(Service::Presence, "routes.ttl_ms", 600_000)
        .set(Service::Presence, "push.timeout_ms", 50)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for n in 0..3 {
        let id = ada.send(bob.uid, &format!("into the void {n}")).await;
        assert_eq!(bob.client.push().await.id, id);
    }
    assert_eq!(bob.client.pull().await, []);
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_gets_its_messages_later() {
    let stack = Stack::builder(Layout::Five)
        .set(Service::Gateway, "rpc.advertise", free_address())
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for n in 0..3 {
        let id = ada.send(bob.uid, &format!("to nowhere {n}")).await;
        assert_eq!(bob.client.push().await.id, id);
    }
    assert_eq!(bob.client.pull().await, []);
}

#[tokio::test]
async fn without_the_user_service_those_who_know_each_other_chat_on() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "known from now on").await;
    assert_eq!(bob.client.push().await.id, first);
    stack.kill("im-user").await;
    let id = ada.send(bob.uid, "without im-user").await;
    assert_eq!(bob.client.push().await.id, id);
    ada.client.expect("GETFRIENDS", UNAVAILABLE).await;
    let mut other = stack.connect().await;
    other.expect("LOGIN ada some-password", UNAVAILABLE).await;
    stack.restart("im-user").await;
    comes_back(&mut other, "LOGIN ada some-password", "-ERR auth bad cred").await;
    ada.client.expect("GETFRIENDS", "+OK friends: ").await;
}

#[tokio::test]
async fn without_the_group_service_members_talk_on() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    stack.kill("im-group").await;
    let id = ada.send_group(group, "without im-group").await;
    assert_eq!(bob.client.push().await.id, id);
    bob.client.expect("GROUPS", UNAVAILABLE).await;
    bob.client.expect("CREATEGROUP other", UNAVAILABLE).await;
    stack.restart("im-group").await;
    comes_back(&mut bob.client, "GROUPS", "+OK groups: 1").await;
}

#[tokio::test]
async fn without_the_message_service_nothing_is_acknowledged_and_nobody_is_cut_off() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "before").await;
    assert_eq!(bob.client.push().await.id, first);
    stack.kill("im-message").await;
    ada.client.expect("SENDID one 2 never a false +OK", UNAVAILABLE).await;
    bob.client.expect("PULL", UNAVAILABLE).await;
    bob.client.expect("HISTORY 1 0 10", UNAVAILABLE).await;
    bob.client.expect("GETFRIENDS", "+OK friends: ").await;
    stack.restart("im-message").await;
    let again = "SENDID one 2 never a false +OK";
    let id = until("a send is taken again", async || {
        let reply = ada.client.ask(again).await;
        let id = reply.strip_prefix("+OK msg_id=").and_then(|id| id.parse::<i64>().ok());
        id.ok_or(reply)
    })
    .await;
    assert_eq!(bob.client.push().await.id, id);
    assert_eq!(ada.client.history("2", 0, 10).await.len(), 2);
}

#[tokio::test]
async fn a_join_and_a_leave_that_the_message_service_missed_are_told_to_it_later() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    stack.kill("im-message").await;
    bob.client.expect(&format!("JOINGROUP {group}"), UNAVAILABLE).await;
    // Not only im-message may forget meanwhile.
    stack.kill("im-group").await;
    stack.restart("im-message").await;
    stack.restart("im-group").await;
    // A refusal is final for its id, so each is followed by a new one.
    let mut refused = 0;
    let id = until("bob is a member", async || {
        let send = format!("SENDGROUPID try{refused} {group} I am in");
        let reply = bob.client.ask(&send).await;
        refused += u32::from(reply == "-ERR not a member");
        let id = reply.strip_prefix("+OK group_msg_id=").and_then(|id| id.parse::<i64>().ok());
        id.ok_or(reply)
    })
    .await;
    assert_eq!(ada.client.push().await.id, id);

    stack.kill("im-message").await;
    bob.client.expect(&format!("LEAVEGROUP {group}"), UNAVAILABLE).await;
    stack.restart("im-message").await;
    let send = format!("SENDGROUP {group} am I out?");
    comes_back(&mut bob.client, &send, "-ERR not a member").await;
    comes_back(&mut ada.client, &format!("MEMBERS {group}"), "+OK members: 1").await;
}

#[tokio::test]
async fn a_send_waits_out_a_restart_of_the_message_service() {
    let mut stack = five().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "before").await;
    assert_eq!(bob.client.push().await.id, first);
    stack.kill("im-message").await;
    ada.client.send(&format!("SEND {} patience", bob.uid)).await;
    stack.restart("im-message").await;
    let reply = ada.client.reply().await;
    let id = reply.strip_prefix("+OK msg_id=").unwrap_or_else(|| panic!("{reply}"));
    assert_eq!(bob.client.push().await.id.to_string(), id);
}

async fn comes_back(client: &mut TextClient, command: &str, reply: &str) {
    until(&format!("{command:?} is answered {reply:?}"), async || {
        let answered = client.ask(command).await;
        if answered == reply { Ok(()) } else { Err(answered) }
    })
    .await;
}
