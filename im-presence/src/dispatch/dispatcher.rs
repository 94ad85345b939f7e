//! From committed entries to the gateways of their recipients.

use std::collections::HashMap;
use std::sync::Arc;

use im_common::walk;
use mpim_proto::push::Content;
use mpim_proto::{C2cMsg, Delivery, Push, ResolveReq, routing_service};
use mprpc::{Context, Status};
use tracing::Instrument as _;

use super::queue::Queue;
use crate::routing::{Gateway, Roster, gateway, gateways};

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
    Routes(#[from] Status),
}

/// Resolves recipients and hands what is for them to the queue.
#[derive(Debug)]
pub(crate) struct Dispatcher<G, Q> {
    pub(crate) routing: Arc<G>,
    pub(crate) roster: Arc<Roster<G>>,
    pub(crate) queue: Arc<Q>,
    /// An entry for more recipients than this goes to every gateway.
    pub(crate) broadcast_above: usize,
}

/// Where some users are.
enum At {
    /// By their routes; whoever is not there is connected nowhere.
    Known(HashMap<i64, Vec<Arc<Gateway>>>),
    /// The routes cannot be read: at one of these gateways, if anywhere.
    AnyOf(Vec<Arc<Gateway>>),
}

/// Where the recipients of some deliveries are.
enum Places {
    /// By their routes. Only deliveries to many go everywhere, without a look at routes.
    Known { of_users: HashMap<i64, Vec<Arc<Gateway>>>, everywhere: Vec<Arc<Gateway>> },
    /// The routes cannot be read: at one of these gateways, if anywhere.
    Everywhere(Vec<Arc<Gateway>>),
}

impl<G: routing_service::Server, Q: Queue> Dispatcher<G, Q> {
    /// Hands one entry to each gateway at which a recipient is connected; returns without waiting
    /// for the gateways. Recipients without a route find the message when they come back. With
    /// `resync`, every gateway is told to compare heads.
    ///
    /// While the routes cannot be read, all gateways that were heard of lately get the entries: chat
    /// goes on without the routes, and without routing.
    pub(crate) async fn dispatch(
        &self,
        cx: &Context,
        deliveries: Vec<Delivery>,
        resync: bool,
    ) -> Result<(), Status> {
        let hop = walk::hop!("presence.dispatch");
        let entries = deliveries.iter().filter_map(|delivery| delivery.entry.as_ref());
        walk::record(&hop, entries.map(|entry| entry.msg_id));
        async {
            let mut entries = self.by_gateway(cx, deliveries).await?;
            if resync {
                for gateway in self.roster.gateways(cx).await? {
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
        cx: &Context,
        deliveries: Vec<Delivery>,
    ) -> Result<HashMap<Arc<Gateway>, Vec<Push>>, Status> {
        let places = self.places(cx, &deliveries).await?;
        let mut entries: HashMap<Arc<Gateway>, Vec<Push>> = HashMap::new();
        for Delivery { entry, recipients, priority } in deliveries {
            let Some(entry) = entry else { continue };
            for (gateway, recipients) in self.split(&places, recipients) {
                let content = Some(Content::Entry(entry.clone()));
                entries.entry(gateway).or_default().push(Push { content, recipients, priority });
            }
        }
        Ok(entries)
    }

    /// Read fresh, and at once for all of them: a route bound before a commit is always found, and
    /// one that is bound later belongs to a session that syncs after binding.
    async fn places(&self, cx: &Context, deliveries: &[Delivery]) -> Result<Places, Status> {
        let to_many = |delivery: &&Delivery| delivery.recipients.len() > self.broadcast_above;
        let everywhere = match deliveries.iter().find(to_many) {
            Some(_) => self.roster.gateways(cx).await?,
            None => Vec::new(),
        };
        let to_few = deliveries.iter().filter(|delivery| !to_many(delivery));
        let mut users: Vec<i64> = to_few.flat_map(|it| it.recipients.iter().copied()).collect();
        users.sort_unstable();
        users.dedup();
        Ok(match self.resolve(cx, users).await? {
            At::Known(of_users) => Places::Known { of_users, everywhere },
            At::AnyOf(gateways) => Places::Everywhere(gateways),
        })
    }

    /// Asks routing where users are.
    async fn resolve(&self, cx: &Context, user_ids: Vec<i64>) -> Result<At, Status> {
        if user_ids.is_empty() {
            return Ok(At::Known(HashMap::new()));
        }
        let any_of = match self.routing.resolve(cx, ResolveReq { user_ids }).await {
            Ok(answer) if answer.anywhere.is_empty() => {
                let mut of_users: HashMap<i64, Vec<Arc<Gateway>>> = HashMap::new();
                for at in answer.at {
                    let Some(gateway) = gateway(at.gateway) else { continue };
                    for user_id in at.user_ids {
                        of_users.entry(user_id).or_default().push(Arc::clone(&gateway));
                    }
                }
                return Ok(At::Known(of_users));
            }
            Ok(answer) => Ok(self.roster.with_remembered(&gateways(answer.anywhere))),
            Err(status) => self.roster.remembered(status),
        };
        metrics::counter!("mpim_presence_dispatches_without_routes_total").increment(1);
        any_of.map(At::AnyOf)
    }

    /// Which of `recipients` are at which gateways, in their order.
    fn split(&self, places: &Places, recipients: Vec<i64>) -> HashMap<Arc<Gateway>, Vec<i64>> {
        let to_all = |gateways: &[Arc<Gateway>]| {
            gateways.iter().map(|gateway| (Arc::clone(gateway), recipients.clone())).collect()
        };
        match places {
            Places::Everywhere(gateways) => to_all(gateways),
            Places::Known { everywhere, .. } if recipients.len() > self.broadcast_above => {
                to_all(everywhere)
            }
            Places::Known { of_users, .. } => {
                let mut recipients_at: HashMap<Arc<Gateway>, Vec<i64>> = HashMap::new();
                for user_id in recipients {
                    for gateway in of_users.get(&user_id).map(Vec::as_slice).unwrap_or_default() {
                        recipients_at.entry(Arc::clone(gateway)).or_default().push(user_id);
                    }
                }
                recipients_at
            }
        }
    }

    /// A gateway is alive. Answers with the number of the last push to it.
    pub(crate) fn meet(&self, gateway: &Arc<Gateway>) -> u64 {
        self.roster.note(gateway);
        self.queue.heard_of(gateway)
    }

    /// The original's `Deliver`: shows `msg` to the sessions of `user_id`, outside any timeline, and
    /// waits until that is confirmed. Answers with the number of sessions that got it, at least 1.
    pub(crate) async fn deliver(
        &self,
        cx: &Context,
        user_id: i64,
        msg: C2cMsg,
    ) -> Result<u32, DeliverError> {
        let gateways = match self.resolve(cx, vec![user_id]).await? {
            At::Known(mut of_users) => of_users.remove(&user_id).unwrap_or_default(),
            At::AnyOf(gateways) => gateways,
        };
        if gateways.is_empty() {
            return Err(DeliverError::NoRoute);
        }
        let mut reached = 0;
        for gateway in gateways {
            let content = Some(Content::Direct(msg.clone()));
            let push = Push { content, recipients: vec![user_id], ..Push::default() };
            // Whatever keeps a gateway from taking it: nobody there has got it.
            reached += self.queue.deliver(&gateway, push).await.unwrap_or(0);
        }
        if reached == 0 { Err(DeliverError::Offline) } else { Ok(reached) }
    }
}

#[cfg(test)]
mod tests;
