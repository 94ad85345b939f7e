use std::sync::Mutex;
use std::time::Duration;

use im_common::redis::{Redis, RedisConfig, RedisUrl};
use im_common::{Clock, Readiness};
use mpim_proto::{Entry, Excludes};

use super::*;
use crate::dispatch::queue::QueueError;
use crate::routing::{
    Heard, MemoryLimits, MemoryRoutes, RedisLimits, RedisRoutes, Route, Routes, Routing, Strategy,
};

/// Notes what it is offered; confirms that `reached` sessions got what is delivered.
#[derive(Default)]
struct Notes {
    offered: Mutex<Vec<(String, Vec<Push>, bool)>>,
    reached: HashMap<String, u32>,
}

impl Queue for Notes {
    async fn offer(&self, gateway: &Arc<Gateway>, pushes: Vec<Push>, resync: bool) {
        self.offered.lock().unwrap().push((gateway.id.clone(), pushes, resync));
    }

    async fn deliver(&self, gateway: &Arc<Gateway>, _: Push) -> Result<u32, QueueError> {
        self.reached.get(&gateway.id).copied().ok_or(QueueError::Behind)
    }

    fn heard_of(&self, _: &Arc<Gateway>) -> u64 {
        0
    }

    fn close(&self) {}
}

fn heard() -> Heard {
    Heard::new(Duration::from_secs(10), 10)
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

fn over<G: routing_service::Server>(routing: G, queue: Notes) -> Dispatcher<G, Notes> {
    let routing = Arc::new(routing);
    let roster = Arc::new(Roster::new(Arc::clone(&routing), heard()));
    Dispatcher { routing, roster, queue: Arc::new(queue), broadcast_above: 4 }
}

async fn dispatcher(
    routes: &[(i64, &str)],
    queue: Notes,
) -> Dispatcher<Routing<MemoryRoutes>, Notes> {
    let limits =
        MemoryLimits { ttl_ms: 1000, original_ttl_ms: 1000, routes_max: 100, devices_max: 10 };
    let table = MemoryRoutes::new(limits, Clock::manual(0));
    for (index, (user_id, gateway)) in routes.iter().enumerate() {
        let gateway = Arc::new(Gateway {
            id: (*gateway).to_owned(),
            addr: "127.0.0.1:1".to_owned(),
            boot_id: format!("boot-{gateway}"),
        });
        let session_id = index.to_string();
        let device = format!("device-{index}");
        table
            .bind(
                Route { user_id: *user_id, device, session_id, since_ms: 0, gateway },
                Excludes::Device,
            )
            .await
            .unwrap();
    }
    over(Routing::new(table, heard(), Strategy::ConsistentHash), queue)
}

fn delivery(msg_id: i64, recipients: &[i64]) -> Delivery {
    let entry = Entry { msg_id, ..Entry::default() };
    Delivery { entry: Some(entry), recipients: recipients.to_vec(), ..Delivery::default() }
}

/// Gateway, pushes as message id and recipients, resync.
type Offered = (String, Vec<(i64, Vec<i64>)>, bool);

fn offered(queue: &Notes) -> Vec<Offered> {
    let mut offered: Vec<_> = queue
        .offered
        .lock()
        .unwrap()
        .iter()
        .map(|(gateway, pushes, resync)| {
            let pushes = pushes.iter().map(|push| match &push.content {
                Some(Content::Entry(entry)) => (entry.msg_id, push.recipients.clone()),
                other => panic!("not an entry: {other:?}"),
            });
            (gateway.clone(), pushes.collect(), *resync)
        })
        .collect();
    offered.sort();
    offered
}

#[tokio::test]
async fn each_gateway_gets_one_entry_with_its_own_recipients_in_order() {
    let routes = [(1, "a"), (2, "b"), (3, "a"), (1, "b"), (9, "c")];
    let dispatcher = dispatcher(&routes, Notes::default()).await;
    let deliveries = vec![delivery(10, &[1, 2, 3, 4]), delivery(11, &[2, 1])];
    dispatcher.dispatch(&cx(), deliveries, false).await.unwrap();
    assert_eq!(
        offered(&dispatcher.queue),
        [
            ("a".into(), vec![(10, vec![1, 3]), (11, vec![1])], false),
            ("b".into(), vec![(10, vec![1, 2]), (11, vec![2, 1])], false),
        ]
    );
}

#[tokio::test]
async fn a_resync_goes_to_every_gateway_once() {
    let dispatcher = dispatcher(&[(1, "a"), (2, "b")], Notes::default()).await;
    dispatcher.dispatch(&cx(), vec![delivery(10, &[1])], true).await.unwrap();
    assert_eq!(
        offered(&dispatcher.queue),
        [("a".into(), vec![(10, vec![1])], true), ("b".into(), vec![], true)]
    );
}

#[tokio::test]
async fn deliver_tells_no_route_from_nobody_there() {
    let queue = Notes { reached: [("a".to_owned(), 0)].into(), ..Notes::default() };
    let dispatcher = dispatcher(&[(1, "a"), (2, "down")], queue).await;
    let deliver = async |user_id| dispatcher.deliver(&cx(), user_id, C2cMsg::default()).await;
    assert!(matches!(deliver(3).await, Err(DeliverError::NoRoute)));
    assert!(matches!(deliver(1).await, Err(DeliverError::Offline)));
    assert!(matches!(deliver(2).await, Err(DeliverError::Offline)));
}

#[tokio::test]
async fn deliver_counts_the_sessions_of_all_gateways() {
    let reached = [("a".to_owned(), 1), ("b".to_owned(), 1)].into();
    let queue = Notes { reached, ..Notes::default() };
    let dispatcher = dispatcher(&[(1, "a"), (1, "b"), (1, "down")], queue).await;
    assert_eq!(dispatcher.deliver(&cx(), 1, C2cMsg::default()).await.unwrap(), 2);
}

#[tokio::test]
async fn an_entry_for_many_goes_to_every_gateway_and_others_to_their_own() {
    let dispatcher = dispatcher(&[(1, "a"), (2, "b")], Notes::default()).await;
    let many = [1, 2, 3, 4, 5];
    let deliveries = vec![delivery(10, &many), delivery(11, &[1])];
    dispatcher.dispatch(&cx(), deliveries, false).await.unwrap();
    assert_eq!(
        offered(&dispatcher.queue),
        [
            ("a".into(), vec![(10, many.to_vec()), (11, vec![1])], false),
            ("b".into(), vec![(10, many.to_vec())], false),
        ]
    );
}

/// Nobody is there.
fn routes_out_of_reach() -> RedisRoutes {
    let url: RedisUrl = format!("redis://{}", test_servers::free_address()).parse().unwrap();
    let config = RedisConfig::default();
    let redis = Redis::connect("metadata", &url, &config, &Readiness::default()).unwrap();
    let limits = RedisLimits { ttl_ms: 1_000, original_ttl_ms: 1_000, devices_max: 10 };
    RedisRoutes::new(limits, redis)
}

#[tokio::test]
async fn without_routes_every_gateway_that_was_heard_of_gets_the_entries() {
    let queue = Notes { reached: [("a".to_owned(), 1)].into(), ..Notes::default() };
    let dispatcher =
        over(Routing::new(routes_out_of_reach(), heard(), Strategy::ConsistentHash), queue);
    let dispatch =
        async |resync| dispatcher.dispatch(&cx(), vec![delivery(10, &[1, 2])], resync).await;
    assert!(dispatch(false).await.is_err(), "nobody to give it to: the caller tries again");
    for name in ["a", "b"] {
        let (addr, boot_id) = ("127.0.0.1:1".to_owned(), format!("boot-{name}"));
        dispatcher.meet(&Arc::new(Gateway { id: name.to_owned(), addr, boot_id }));
    }
    dispatch(true).await.unwrap();
    assert_eq!(
        offered(&dispatcher.queue),
        [("a".into(), vec![(10, vec![1, 2])], true), ("b".into(), vec![(10, vec![1, 2])], true),]
    );
    assert_eq!(dispatcher.deliver(&cx(), 1, C2cMsg::default()).await.unwrap(), 1);
}
