//! What every adapter of [`Queue`](super::Queue) must do, as one suite that runs on each of them.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::PushReq;
use tokio::sync::mpsc;

use super::testing::{at, msg_ids, push};
use super::{PushLimits, Queue, QueueError};
use crate::routing::Gateway;

/// What a part of the suite changes in the limits of its queue.
pub(super) type Change = fn(&mut PushLimits);

/// A queue, and a gateway that takes everything at once.
pub(super) struct Subject<Q> {
    pub(super) queue: Q,
    pub(super) gateway: Arc<Gateway>,
    /// What has come to the gateway, by the way that the queue carries what is offered.
    pub(super) received: mpsc::UnboundedReceiver<PushReq>,
}

impl<Q> Subject<Q> {
    async fn next(&mut self) -> PushReq {
        let next = tokio::time::timeout(Duration::from_secs(60), self.received.recv());
        next.await.expect("a request in time").unwrap()
    }
}

/// Runs everything, each part on a fresh adapter.
pub(super) async fn suite<Q: Queue>(fresh: impl AsyncFn(Change) -> Subject<Q>) {
    what_is_offered_arrives_in_order_under_rising_numbers(fresh(|_| ()).await).await;
    a_gateway_gets_what_is_for_its_own_boot(fresh(|_| ()).await).await;
    a_resync_travels_without_any_push(fresh(|_| ()).await).await;
    let often: Change = |limits| limits.heartbeat = Duration::from_millis(10);
    whoever_was_heard_of_hears_the_last_number_repeated(fresh(often).await).await;
    let no_room: Change = |limits| {
        limits.queue_bytes_max = 1;
        limits.heartbeat = Duration::from_millis(10);
    };
    what_finds_no_room_is_told_by_the_number_alone(fresh(no_room).await).await;
    a_queue_that_closes_pushes_what_waits_and_says_goodbye(fresh(|_| ()).await).await;
    let one_link: Change = |limits| limits.links_max = 1;
    a_link_that_was_given_up_never_repeats_a_number(fresh(one_link).await).await;
    what_is_delivered_is_confirmed_or_not(fresh(|_| ()).await).await;
}

async fn what_is_offered_arrives_in_order_under_rising_numbers(mut it: Subject<impl Queue>) {
    const PUSHES: i64 = 100;
    for msg_id in 1..=PUSHES {
        it.queue.offer(&it.gateway, vec![push(msg_id)], false).await;
    }
    let (mut msg_ids_so_far, mut number) = (Vec::new(), 0);
    while msg_ids_so_far.last() != Some(&PUSHES) {
        let request = it.next().await;
        number += 1;
        assert_eq!(request.number, number);
        assert_eq!((request.link_boot_id.as_str(), request.closing), ("p", false));
        msg_ids_so_far.extend(msg_ids(&request));
    }
    assert_eq!(msg_ids_so_far, (1..=PUSHES).collect::<Vec<_>>());
}

async fn a_gateway_gets_what_is_for_its_own_boot(mut it: Subject<impl Queue>) {
    let other = Gateway { boot_id: "another".to_owned(), ..Gateway::clone(&it.gateway) };
    it.queue.offer(&Arc::new(other), vec![push(1)], false).await;
    it.queue.offer(&it.gateway, vec![push(2)], false).await;
    let mut request = it.next().await;
    // The one of the other boot may reach the same address; it says whom it is for.
    if request.gateway_boot_id == "another" {
        request = it.next().await;
    }
    assert_eq!((request.gateway_boot_id, request.number), (it.gateway.boot_id.clone(), 1));
}

async fn a_resync_travels_without_any_push(mut it: Subject<impl Queue>) {
    it.queue.offer(&it.gateway, vec![], true).await;
    let request = it.next().await;
    assert!(request.resync && request.pushes.is_empty());
    assert_eq!(request.number, 1, "it has a number: one that is lost is missed");
}

async fn whoever_was_heard_of_hears_the_last_number_repeated(mut it: Subject<impl Queue>) {
    assert_eq!(it.queue.heard_of(&it.gateway), 0);
    for _ in 0..3 {
        let repeated = it.next().await;
        assert_eq!((repeated.number, repeated.pushes.len(), repeated.resync), (0, 0, false));
    }
    it.queue.offer(&it.gateway, vec![push(1)], false).await;
    while it.next().await.pushes.is_empty() {}
    assert_eq!(it.next().await.number, 1);
}

async fn what_finds_no_room_is_told_by_the_number_alone(mut it: Subject<impl Queue>) {
    it.queue.offer(&it.gateway, vec![push(1)], false).await;
    loop {
        let request = it.next().await;
        assert!(request.pushes.is_empty());
        if request.number == 1 {
            break;
        }
    }
}

async fn a_queue_that_closes_pushes_what_waits_and_says_goodbye(mut it: Subject<impl Queue>) {
    for msg_id in 1..=10 {
        it.queue.offer(&it.gateway, vec![push(msg_id)], false).await;
    }
    it.queue.close();
    let mut arrived = Vec::new();
    let goodbye = loop {
        let request = it.next().await;
        if request.closing {
            break request;
        }
        assert!(!request.pushes.is_empty());
        arrived.push(request);
    };
    assert_eq!(arrived.iter().flat_map(msg_ids).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(goodbye.number, arrived.len() as u64);
}

async fn a_link_that_was_given_up_never_repeats_a_number(mut it: Subject<impl Queue>) {
    it.queue.offer(&it.gateway, vec![push(1)], false).await;
    assert_eq!(it.next().await.number, 1);
    let other = at("other", ([127, 0, 0, 1], 1).into());
    it.queue.offer(&other, vec![push(1)], false).await;
    assert!(it.next().await.closing);
    it.queue.offer(&it.gateway, vec![push(2)], false).await;
    let again = it.next().await;
    assert!(again.number > 2, "{} is no hole", again.number);
}

async fn what_is_delivered_is_confirmed_or_not(it: Subject<impl Queue>) {
    assert_eq!(it.queue.deliver(&it.gateway, push(1)).await, Ok(1));
    let original = Gateway { id: "g".into(), addr: String::new(), boot_id: String::new() };
    let reached = it.queue.deliver(&Arc::new(original), push(1)).await;
    assert_eq!(reached, Err(QueueError::Unreachable));
    let closed = test_servers::free_address();
    let reached = it.queue.deliver(&at("gone", closed), push(1)).await;
    assert_eq!(reached, Err(QueueError::Unreachable));
}
