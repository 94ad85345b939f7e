//! Pushes that Redis Streams carry: as lossy as any push, and everything comes nevertheless.

use mpim_tests::{Service, Stack, get, register_two};

use super::{holds_without_an_error, process, talking};

#[tokio::test]
async fn messages_go_through_the_stream_of_their_gateway() {
    let Some(builder) = Stack::cluster().await else { return };
    let stack = builder.streams().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for n in 0..20 {
        let id = ada.send(bob.uid, &format!("{n}")).await;
        assert_eq!(bob.client.push().await.id, id);
    }
    let presence = mpim_tests::Instance { service: Service::Presence, number: 1 };
    let (_, metrics) = get(stack.admin_address(presence), "/metrics").await.unwrap();
    let requests = "mpim_presence_push_requests_total{queue=\"streams\"}";
    assert!(metrics.contains(requests), "not through a stream:\n{metrics}");
}

#[tokio::test]
async fn a_redis_that_forgets_its_streams_costs_no_message() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.streams().instances(2)).await;
    for _ in 0..2 {
        stack.servers().redis().kill().await;
        load.flows().await;
        stack.servers().redis().start_again().await;
        load.flows().await;
    }
    stack.servers().redis().pause();
    load.flows().await;
    stack.servers().redis().resume();
    load.flows().await;
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn kill_9_of_each_end_of_the_streams_costs_no_message() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.streams().instances(2)).await;
    for service in [Service::Presence, Service::Gateway, Service::Message] {
        for number in [1, 2] {
            let process = process(service, number);
            stack.kill(&process).await;
            load.flows().await;
            stack.restart(&process).await;
            load.flows().await;
        }
    }
    holds_without_an_error(load).await;
}
