//! From committed entries to the gateways of their recipients.

use std::collections::HashMap;
use std::sync::Arc;

use im_common::walk;
use mpim_proto::push::Content;
use mpim_proto::{C2cMsg, Delivery, Push};
use tracing::Instrument as _;

use crate::queue::Queue;
use crate::routes::{Gateway, Routes, RoutesError};

/// Why nothing was delivered to a user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliverError {
    /// The user is connected nowhere.
    #[error("no route")]
    NoRoute,
    /// There are routes, but no session got it.
    #[error("receiver offline")]
    Offline,
    #[error(transparent)]
    Routes(#[from] RoutesError),
}

/// Resolves recipients and hands what is for them to the queue.
#[derive(Debug)]
pub(crate) struct Dispatcher<R, Q> {
    pub(crate) routes: Arc<R>,
    pub(crate) queue: Arc<Q>,
}

impl<R: Routes, Q: Queue> Dispatcher<R, Q> {
    /// Hands one entry to each gateway at which a recipient is connected; returns without waiting
    /// for the gateways. Recipients without a route find the message when they come back. With
    /// `resync`, every gateway is told to compare heads.
    pub(crate) async fn dispatch(
        &self,
        deliveries: Vec<Delivery>,
        resync: bool,
    ) -> Result<(), RoutesError> {
        let hop = walk::hop!("presence.dispatch");
        let entries = deliveries.iter().filter_map(|delivery| delivery.entry.as_ref());
        walk::record(&hop, entries.map(|entry| entry.msg_id));
        async {
            let mut entries = self.by_gateway(deliveries).await?;
            if resync {
                for gateway in self.routes.gateways().await? {
                    entries.entry(gateway).or_default();
                }
            }
            for (gateway, pushes) in entries {
                self.queue.offer(&gateway, pushes, resync).await;
            }
            Ok(())
        }
        .instrument(hop)
        .await
    }

    async fn by_gateway(
        &self,
        deliveries: Vec<Delivery>,
    ) -> Result<HashMap<Arc<Gateway>, Vec<Push>>, RoutesError> {
        let mut entries: HashMap<Arc<Gateway>, Vec<Push>> = HashMap::new();
        for Delivery { entry, recipients } in deliveries {
            let Some(entry) = entry else { continue };
            let mut recipients_at: HashMap<Arc<Gateway>, Vec<i64>> = HashMap::new();
            // Read fresh for each: a route bound before the commit is always found, and one that
            // is bound later belongs to a session that syncs after binding.
            for (user_id, gateway) in self.routes.resolve(&recipients).await? {
                recipients_at.entry(gateway).or_default().push(user_id);
            }
            for (gateway, recipients) in recipients_at {
                let content = Some(Content::Entry(entry.clone()));
                entries.entry(gateway).or_default().push(Push { content, recipients });
            }
        }
        Ok(entries)
    }

    /// The original's `Deliver`: shows `msg` to the sessions of `user_id`, outside any timeline, and
    /// waits until that is confirmed. Answers with the number of sessions that got it, at least 1.
    pub(crate) async fn deliver(&self, user_id: i64, msg: C2cMsg) -> Result<u32, DeliverError> {
        let gateways = self.routes.resolve(&[user_id]).await?;
        if gateways.is_empty() {
            return Err(DeliverError::NoRoute);
        }
        let mut reached = 0;
        for (_, gateway) in gateways {
            let content = Some(Content::Direct(msg.clone()));
            let push = Push { content, recipients: vec![user_id] };
            // Whatever keeps a gateway from taking it: nobody there has got it.
            reached += self.queue.deliver(&gateway, push).await.unwrap_or(0);
        }
        if reached == 0 { Err(DeliverError::Offline) } else { Ok(reached) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use im_common::Clock;
    use mpim_proto::Entry;

    use super::*;
    use crate::queue::QueueError;
    use crate::routes::{MemoryLimits, MemoryRoutes, Route};

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

        fn last_push(&self, _: &str) -> u64 {
            0
        }
    }

    async fn dispatcher(routes: &[(i64, &str)], queue: Notes) -> Dispatcher<MemoryRoutes, Notes> {
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
                .bind(Route { user_id: *user_id, device, session_id, since_ms: 0, gateway })
                .await
                .unwrap();
        }
        Dispatcher { routes: Arc::new(table), queue: Arc::new(queue) }
    }

    fn delivery(msg_id: i64, recipients: &[i64]) -> Delivery {
        let entry = Entry { msg_id, ..Entry::default() };
        Delivery { entry: Some(entry), recipients: recipients.to_vec() }
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
        dispatcher.dispatch(deliveries, false).await.unwrap();
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
        dispatcher.dispatch(vec![delivery(10, &[1])], true).await.unwrap();
        assert_eq!(
            offered(&dispatcher.queue),
            [("a".into(), vec![(10, vec![1])], true), ("b".into(), vec![], true)]
        );
    }

    #[tokio::test]
    async fn deliver_tells_no_route_from_nobody_there() {
        let queue = Notes { reached: [("a".to_owned(), 0)].into(), ..Notes::default() };
        let dispatcher = dispatcher(&[(1, "a"), (2, "down")], queue).await;
        let deliver = |user_id| dispatcher.deliver(user_id, C2cMsg::default());
        assert!(matches!(deliver(3).await, Err(DeliverError::NoRoute)));
        assert!(matches!(deliver(1).await, Err(DeliverError::Offline)));
        assert!(matches!(deliver(2).await, Err(DeliverError::Offline)));
    }

    #[tokio::test]
    async fn deliver_counts_the_sessions_of_all_gateways() {
        let reached = [("a".to_owned(), 1), ("b".to_owned(), 1)].into();
        let queue = Notes { reached, ..Notes::default() };
        let dispatcher = dispatcher(&[(1, "a"), (1, "b"), (1, "down")], queue).await;
        assert_eq!(dispatcher.deliver(1, C2cMsg::default()).await.unwrap(), 2);
    }
}
