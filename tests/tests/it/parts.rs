//! The parts of im-presence as processes of their own, as `conf/apart` configures them.

use std::time::Duration;

use mpim_proto::{
    CloseDeviceReq, ListGatewaysReq, PickGatewayReq, QuerySessionsReq, connection_service,
    routing_service,
};
use mpim_tests::{DEADLINE, Layout, Person, Service, Stack, StackBuilder, register_two, until};
use mprpc::Context;
use rustix::process::Signal;

on_all_stacks! {
    a_user_is_sent_where_the_gateway_takes_clients,
}

/// The eight processes.
async fn apart() -> Stack {
    Stack::builder(Layout::Five).apart().start().await
}

/// Each says something to the other, and has it; nothing comes twice.
async fn chat(ada: &mut Person, bob: &mut Person, text: &str) {
    let id = ada.send(bob.uid, text).await;
    assert_eq!(bob.client.push().await.id, id, "{text}");
    let id = bob.send(ada.uid, text).await;
    assert_eq!(ada.client.push().await.id, id, "{text}");
    assert_eq!((ada.client.pull().await, bob.client.pull().await), (vec![], vec![]), "{text}");
}

fn cx() -> Context {
    Context::with_timeout(DEADLINE)
}

fn connections(stack: &Stack) -> connection_service::Client {
    let target = format!("static://{}", stack.part_address("connections"));
    connection_service::Client::new(&stack.channel(target))
}

#[tokio::test]
async fn people_chat_over_parts_that_run_apart() {
    let stack = apart().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    chat(&mut ada, &mut bob, "apart").await;
    let group = ada.client.number("CREATEGROUP parts", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let id = ada.send_group(group, "to all").await;
    assert_eq!(bob.client.push().await.id, id);
    let mut first = std::mem::replace(&mut bob.client, stack.connect().await);
    bob.log_in(&stack).await;
    assert_eq!(first.rest().await, ["-ERR closing logged in elsewhere"]);
    chat(&mut ada, &mut bob, "at the new session").await;
}

#[tokio::test]
async fn each_part_that_is_killed_comes_back_and_everything_arrives_by_itself() {
    let mut stack = apart().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    chat(&mut ada, &mut bob, "warm").await;
    for part in ["im-routing", "im-dispatch", "im-connections", "im-presence"] {
        stack.kill(part).await;
        let id = ada.send(bob.uid, &format!("while {part} is dead")).await;
        if matches!(part, "im-routing" | "im-connections") {
            assert_eq!(bob.client.push().await.id, id, "nothing needs {part}");
            stack.restart(part).await;
        } else {
            stack.restart(part).await;
            assert_eq!(bob.client.push().await.id, id, "{part} is back");
        }
        chat(&mut ada, &mut bob, &format!("{part} is back")).await;
    }
}

#[tokio::test]
async fn each_part_ends_in_order_and_comes_back() {
    let mut stack = apart().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for part in ["im-routing", "im-dispatch", "im-connections", "im-presence"] {
        stack.stop(part).await;
        let id = ada.send(bob.uid, &format!("while {part} is stopped")).await;
        stack.restart(part).await;
        assert_eq!(bob.client.push().await.id, id, "{part}");
        chat(&mut ada, &mut bob, &format!("{part} is back")).await;
    }
}

#[tokio::test]
async fn what_is_sent_while_a_part_is_frozen_arrives() {
    let stack = &mut apart().await;
    let (mut ada, mut bob) = register_two(stack).await;
    chat(&mut ada, &mut bob, "warm").await;
    stack.process("im-routing").signal(Signal::STOP);
    chat(&mut ada, &mut bob, "while im-routing is frozen").await;
    stack.process("im-routing").signal(Signal::CONT);
    chat(&mut ada, &mut bob, "im-routing goes on").await;

    stack.process("im-dispatch").signal(Signal::STOP);
    let id = ada.send(bob.uid, "while im-dispatch is frozen").await;
    stack.process("im-dispatch").signal(Signal::CONT);
    assert_eq!(bob.client.push().await.id, id);
    chat(&mut ada, &mut bob, "im-dispatch goes on").await;
}

#[tokio::test]
async fn a_log_in_without_routing_closes_the_older_session_and_is_reached() {
    let mut stack = apart().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    chat(&mut ada, &mut bob, "warm").await;
    // Then it knows the gateway; by itself it asks once a second.
    let listed = connections(&stack).list_gateways(&cx(), ListGatewaysReq::default()).await;
    assert_eq!(listed.unwrap().gateways.len(), 1);
    stack.kill("im-routing").await;
    let mut first = std::mem::replace(&mut bob.client, stack.connect().await);
    bob.log_in(&stack).await;
    assert_eq!(first.rest().await, ["-ERR closing logged in elsewhere"]);
    chat(&mut ada, &mut bob, "without routes").await;
    stack.restart("im-routing").await;
    chat(&mut ada, &mut bob, "with them").await;
}

#[tokio::test]
async fn an_operator_finds_a_session_and_closes_its_device() {
    let stack = apart().await;
    let (_, mut bob) = register_two(&stack).await;
    let connections = connections(&stack);
    let asked = QuerySessionsReq { user_id: bob.uid };
    let sessions = connections.list_sessions(&cx(), asked).await.unwrap().sessions;
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    let request = CloseDeviceReq {
        user_id: bob.uid,
        device: session.device.clone(),
        reason: "maintenance".to_owned(),
        ..CloseDeviceReq::default()
    };
    assert_eq!(connections.close_device(&cx(), request).await.unwrap().unreached, 0);
    assert_eq!(bob.client.rest().await, ["-ERR closing maintenance"]);
}

async fn a_user_is_sent_where_the_gateway_takes_clients(stack: StackBuilder) {
    let stack = stack.start().await;
    let routing = routing_service::Client::new(&stack.channel_to(Service::Presence));
    let endpoint = stack.text_address().to_string();
    until("the gateway has said where it takes clients", async || {
        let cx = Context::with_timeout(Duration::from_secs(10));
        let picked = routing.pick_gateway(&cx, PickGatewayReq { user_id: 1 }).await;
        match picked {
            Ok(picked) if picked.endpoint == endpoint => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
