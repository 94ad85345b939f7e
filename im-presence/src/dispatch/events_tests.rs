use mpim_proto::event::Content;
use mpim_proto::{Event, TypingEvent};

use super::*;
use crate::dispatch::queue::testing;
use im_common::Shutdown;
use mpim_proto::BindRouteReq;

fn typing(from: i64, recipients: &[i64]) -> EventDelivery {
    let content = Some(Content::Typing(TypingEvent { from, group_id: 0 }));
    EventDelivery { event: Some(Event { content }), recipients: recipients.to_vec() }
}

fn senders(events: &[EventDelivery]) -> Vec<i64> {
    let content = |event: &EventDelivery| event.event.clone().unwrap().content.unwrap();
    events
        .iter()
        .map(|event| match content(event) {
            Content::Typing(typing) => typing.from,
            other => panic!("not typing: {other:?}"),
        })
        .collect()
}

async fn dispatcher(
    waiting_max: usize,
) -> (EventDispatcher<testing::TestRouting>, Arc<testing::TestRouting>) {
    let routes = Arc::clone(testing::around(|_| {}).roster.routing());
    let limits = EventLimits { waiting_max, timeout: Duration::from_secs(60) };
    let tasks = Tasks::new("test", Shutdown::new());
    let dispatcher = EventDispatcher::new(
        Arc::clone(&routes),
        Gateways::new(9, im_common::Trust::default()),
        limits,
        tasks,
    );
    (dispatcher, routes)
}

async fn bind(routing: &testing::TestRouting, user_id: i64, at: &Gateway) {
    let request = BindRouteReq {
        user_id,
        device: "text".to_owned(),
        session_id: user_id.to_string(),
        since_ms: 0,
        gateway_id: at.id.clone(),
        gateway_addr: at.addr.clone(),
        boot_id: at.boot_id.clone(),
        ..BindRouteReq::default()
    };
    routing_service::Server::bind(routing, &cx(), request).await.unwrap();
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

#[tokio::test]
async fn an_event_goes_to_the_gateways_of_its_recipients_once() {
    let (dispatcher, routes) = dispatcher(9).await;
    let (mut a, mut b) = (testing::gateway("a", 99).await, testing::gateway("b", 99).await);
    for user_id in [1, 2] {
        bind(&routes, user_id, &a.gateway).await;
    }
    bind(&routes, 3, &b.gateway).await;
    dispatcher.dispatch(&cx(), vec![typing(9, &[1, 2, 3, 4]), typing(8, &[3])]).await;
    let (at_a, at_b) = (a.next_events().await, b.next_events().await);
    assert_eq!(at_a, [typing(9, &[1, 2])]);
    assert_eq!(at_b, [typing(9, &[3]), typing(8, &[3])]);
}

#[tokio::test]
async fn of_what_waits_for_a_gateway_that_does_not_answer_the_newest_stay() {
    let (dispatcher, routes) = dispatcher(3).await;
    let mut gateway = testing::gateway("a", 0).await;
    bind(&routes, 1, &gateway.gateway).await;
    dispatcher.dispatch(&cx(), vec![typing(1, &[1])]).await;
    assert_eq!(senders(&gateway.next_events().await), [1], "on its way");
    for from in 2..=9 {
        dispatcher.dispatch(&cx(), vec![typing(from, &[1])]).await;
    }
    gateway.answers.add_permits(2);
    assert_eq!(senders(&gateway.next_events().await), [7, 8, 9]);
}

#[tokio::test]
async fn a_gateway_that_is_gone_keeps_events_from_nobody_else() {
    let (dispatcher, routes) = dispatcher(9).await;
    let mut here = testing::gateway("here", 9).await;
    let gone = testing::at("gone", ([127, 0, 0, 1], 1).into());
    bind(&routes, 1, &gone).await;
    bind(&routes, 2, &here.gateway).await;
    for from in [7, 8] {
        dispatcher.dispatch(&cx(), vec![typing(from, &[1, 2])]).await;
        assert_eq!(here.next_events().await, [typing(from, &[2])]);
    }
    let nothing_waits = async {
        while !dispatcher.outlets.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), nothing_waits).await.expect("it is given up");
}
