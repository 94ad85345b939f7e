use mpim_proto::push::Content;
use mpim_proto::routing_service::Server as _;
use mpim_proto::{BindRouteReq, Entry, Priority, QuerySessionsReq};

use super::*;
use crate::connections::Gateways;
use crate::dispatch::queue::testing::{TestRouting, around, at, gateway, msg_ids, push};
use crate::dispatch::queue::{Direct, conformance};

struct Fixture {
    queue: LinkedQueue<TestRouting, Direct>,
    routing: Arc<TestRouting>,
}

fn queue(change: impl FnOnce(&mut PushLimits)) -> Fixture {
    let around = around(change);
    let routing = Arc::clone(around.roster.routing());
    let direct = Direct {
        gateways: Gateways::new(10, im_common::Trust::default()),
        timeout: around.limits.timeout,
    };
    Fixture { queue: LinkedQueue::new("direct", around, direct), routing }
}

#[tokio::test]
async fn the_direct_queue_conforms() {
    let fresh = async |change: conformance::Change| {
        let a = gateway("a", 1_000).await;
        let Fixture { queue, .. } = queue(change);
        conformance::Subject { queue, gateway: a.gateway, received: a.pushed }
    };
    conformance::suite(fresh).await;
}

/// Waits until `last_push` is at least `number`, and answers with it.
async fn last_push(
    queue: &LinkedQueue<TestRouting, Direct>,
    gateway: &Arc<Gateway>,
    number: u64,
) -> u64 {
    let wait = async {
        loop {
            let last = queue.heard_of(gateway);
            if last >= number {
                break last;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("settled in time")
}

#[tokio::test]
async fn what_gathers_while_a_push_is_under_way_forms_the_next() {
    let Fixture { queue, .. } = queue(|limits| limits.batch_pushes_max = 2);
    let mut a = gateway("a", 0).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    let first = a.next().await;
    assert_eq!((first.number, msg_ids(&first)), (1, vec![1]));
    assert_eq!((first.link_boot_id.as_str(), first.gateway_boot_id.as_str()), ("p", "boot-a"));
    for msg_id in [2, 3, 4] {
        queue.offer(&a.gateway, vec![push(msg_id)], false).await;
    }
    assert_eq!(queue.heard_of(&a.gateway), 0, "not confirmed yet");
    a.answers.add_permits(3);
    let (second, third) = (a.next().await, a.next().await);
    assert_eq!((second.number, msg_ids(&second)), (2, vec![2, 3]));
    assert_eq!((third.number, msg_ids(&third)), (3, vec![4]));
    assert_eq!(last_push(&queue, &a.gateway, 3).await, 3);
}

/// A push of a conversation.
fn push_of(conv_id: &str, priority: Priority, msg_id: i64) -> Push {
    let entry = Entry { conv_id: conv_id.to_owned(), msg_id, ..Entry::default() };
    Push { content: Some(Content::Entry(entry)), priority: priority.into(), ..push(msg_id) }
}

#[tokio::test]
async fn what_is_urgent_is_pushed_before_what_waits_of_other_conversations() {
    let Fixture { queue, .. } = queue(|limits| limits.batch_pushes_max = 3);
    let mut a = gateway("a", 0).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    a.next().await;
    let waiting = [
        ("c2c_1_2", Priority::Low, 2),
        ("c2c_1_3", Priority::Normal, 3),
        ("c2c_1_4", Priority::Urgent, 4),
        // In one conversation nothing overtakes.
        ("c2c_1_3", Priority::Urgent, 5),
        ("c2c_1_4", Priority::Low, 6),
    ];
    let waiting = waiting.map(|(conv_id, priority, msg_id)| push_of(conv_id, priority, msg_id));
    queue.offer(&a.gateway, waiting.into(), false).await;
    a.answers.add_permits(9);
    let (second, third) = (a.next().await, a.next().await);
    assert_eq!((second.number, msg_ids(&second)), (2, vec![4, 6, 3]), "numbered as they leave");
    assert_eq!((third.number, msg_ids(&third)), (3, vec![5, 2]));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_holds_up_no_other() {
    let Fixture { queue, .. } = queue(|_| ());
    let (mut frozen, mut a) = (gateway("frozen", 0).await, gateway("a", 1).await);
    queue.offer(&frozen.gateway, vec![push(1)], false).await;
    frozen.next().await;
    for msg_id in 2..100 {
        queue.offer(&frozen.gateway, vec![push(msg_id)], false).await;
    }
    queue.offer(&a.gateway, vec![push(7)], false).await;
    assert_eq!(msg_ids(&a.next().await), [7]);
}

#[tokio::test]
async fn a_push_that_times_out_is_given_up_with_what_waits_and_leaves_a_hole() {
    let Fixture { queue, routing } = queue(|limits| limits.timeout = Duration::from_secs(2));
    let mut a = gateway("a", 0).await;
    bind(&routing, &a.gateway).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    a.next().await;
    queue.offer(&a.gateway, vec![push(2)], false).await;
    // Number 1 is the push, number 2 what waited behind it.
    assert_eq!(last_push(&queue, &a.gateway, 1).await, 2);
    a.answers.add_permits(9);
    queue.offer(&a.gateway, vec![push(3)], false).await;
    let next = a.next().await;
    assert_eq!((next.number, msg_ids(&next)), (3, vec![3]));
    assert!(has_route(&routing).await, "slow is not gone");
}

#[tokio::test]
async fn what_finds_no_room_leaves_a_hole() {
    let Fixture { queue, .. } = queue(|limits| limits.queue_pushes_max = 2);
    let mut a = gateway("a", 0).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    a.next().await;
    queue.offer(&a.gateway, vec![push(2), push(3), push(4)], false).await;
    a.answers.add_permits(9);
    let next = a.next().await;
    assert_eq!((next.number, msg_ids(&next)), (3, vec![2, 3]), "2 is what is missing");
}

#[tokio::test]
async fn a_push_too_large_for_the_queue_is_told_by_the_number_alone() {
    let Fixture { queue, .. } = queue(|limits| limits.queue_bytes_max = 1);
    let a = gateway("a", 9).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    assert_eq!(last_push(&queue, &a.gateway, 1).await, 1);
}

#[tokio::test]
async fn a_delivered_push_goes_alone_and_tells_what_it_alone_reached() {
    let Fixture { queue, .. } = queue(|_| ());
    let mut a = gateway("a", 0).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    a.next().await;
    queue.offer(&a.gateway, vec![push(2), push(3)], false).await;
    let gateway = Arc::clone(&a.gateway);
    let delivered = queue.deliver(&gateway, push(4));
    let others = async {
        a.answers.add_permits(9);
        assert_eq!(msg_ids(&a.next().await), [2, 3]);
        assert_eq!(msg_ids(&a.next().await), [4]);
    };
    let (reached, ()) = tokio::join!(delivered, others);
    assert_eq!(reached, Ok(1));
}

#[tokio::test]
async fn a_resync_travels_without_any_push() {
    let Fixture { queue, .. } = queue(|_| ());
    let mut a = gateway("a", 9).await;
    queue.offer(&a.gateway, vec![], true).await;
    let push = a.next().await;
    assert!(push.resync && push.pushes.is_empty());
}

/// Binds a route of user 1 there.
async fn bind(routing: &TestRouting, gateway: &Gateway) {
    let request = BindRouteReq {
        user_id: 1,
        gateway_id: gateway.id.clone(),
        device: "text".to_owned(),
        gateway_addr: gateway.addr.clone(),
        boot_id: gateway.boot_id.clone(),
        session_id: "s".to_owned(),
        ..BindRouteReq::default()
    };
    routing.bind(&cx(), request).await.unwrap();
}

async fn has_route(routing: &TestRouting) -> bool {
    let sessions = routing.query(&cx(), QuerySessionsReq { user_id: 1 }).await.unwrap().sessions;
    !sessions.is_empty()
}

async fn has_no_route(routing: &TestRouting) {
    let wait = async {
        while has_route(routing).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("dropped in time");
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

#[tokio::test]
async fn a_gateway_that_refuses_connections_loses_its_routes_and_its_link_at_once() {
    let Fixture { queue, routing } = queue(|_| ());
    let gone = at("gone", test_servers::free_address());
    bind(&routing, &gone).await;
    assert_eq!(queue.deliver(&gone, push(1)).await, Err(QueueError::Unreachable));
    has_no_route(&routing).await;
    assert!(queue.shared.links().by_boot.is_empty());
}

#[tokio::test]
async fn the_routes_of_a_boot_whose_address_another_boot_has_taken_are_dropped() {
    let Fixture { queue, routing } = queue(|_| ());
    let new = gateway("new", 9).await;
    let old = Arc::new(Gateway { boot_id: "boot-old".into(), ..Gateway::clone(&new.gateway) });
    bind(&routing, &old).await;
    assert_eq!(queue.deliver(&old, push(1)).await, Err(QueueError::Unreachable));
    has_no_route(&routing).await;
}

#[tokio::test]
async fn a_link_that_was_given_up_never_repeats_a_number() {
    let Fixture { queue, .. } = queue(|limits| limits.links_max = 1);
    let (mut a, b) = (gateway("a", 9).await, gateway("b", 9).await);
    for number in 1..=3 {
        queue.offer(&a.gateway, vec![push(1)], false).await;
        assert_eq!(a.next().await.number, number);
    }
    last_push(&queue, &a.gateway, 3).await;
    queue.offer(&b.gateway, vec![push(1)], false).await;
    let goodbye = a.next().await;
    assert!(goodbye.closing && goodbye.number == 3);
    queue.offer(&a.gateway, vec![push(1)], false).await;
    assert!(a.next().await.number > 4, "and the gateway sees that there is a hole");
}

#[tokio::test]
async fn nothing_is_dialled_for_a_gateway_without_an_address() {
    let Fixture { queue, .. } = queue(|_| ());
    let original = Gateway { id: "g".into(), addr: String::new(), boot_id: String::new() };
    let reached = queue.deliver(&Arc::new(original), push(1)).await;
    assert_eq!(reached, Err(QueueError::Unreachable));
}

#[tokio::test]
async fn a_gateway_that_was_heard_of_hears_the_last_number_again_and_again() {
    let Fixture { queue, .. } = queue(|limits| limits.heartbeat = Duration::from_millis(10));
    let mut a = gateway("a", 1_000).await;
    assert_eq!(queue.heard_of(&a.gateway), 0);
    for _ in 0..3 {
        let repeated = a.next().await;
        assert_eq!((repeated.number, repeated.pushes.len(), repeated.resync), (0, 0, false));
    }
    queue.offer(&a.gateway, vec![push(1)], false).await;
    while a.next().await.pushes.is_empty() {}
    assert_eq!(a.next().await.number, 1);
}

#[tokio::test]
async fn a_queue_that_closes_pushes_what_waits_and_says_goodbye() {
    let Fixture { queue, .. } = queue(|_| ());
    let mut a = gateway("a", 0).await;
    for msg_id in [1, 2] {
        queue.offer(&a.gateway, vec![push(msg_id)], false).await;
        if msg_id == 1 {
            a.next().await;
        }
    }
    queue.close();
    a.answers.add_permits(9);
    assert_eq!(msg_ids(&a.next().await), [2]);
    let goodbye = a.next().await;
    assert_eq!((goodbye.closing, goodbye.number), (true, 2));
}

#[tokio::test]
async fn a_queue_that_closes_waits_for_a_gateway_no_longer_than_for_a_few_pushes() {
    let Fixture { queue, .. } = queue(|limits| limits.timeout = Duration::from_secs(2));
    let mut a = gateway("a", 0).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    a.next().await;
    queue.offer(&a.gateway, vec![push(2)], false).await;
    queue.close();
    let ended = async {
        while Arc::strong_count(&queue.shared) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("its links have ended");
}

/// The kernel takes connections for a process that is stopped.
#[tokio::test]
async fn a_gateway_that_is_frozen_keeps_its_routes() {
    let Fixture { queue, routing } = queue(|limits| limits.timeout = Duration::from_secs(2));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let frozen = at("frozen", listener.local_addr().unwrap());
    bind(&routing, &frozen).await;
    assert_eq!(queue.deliver(&frozen, push(1)).await, Err(QueueError::Behind));
    assert_eq!(queue.deliver(&frozen, push(2)).await, Err(QueueError::Behind));
    assert!(has_route(&routing).await);
    assert_eq!(queue.shared.links().by_boot.len(), 1);
}
