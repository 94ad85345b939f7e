//! Signals (QoS 0): what somebody tells those in a conversation who are there now.
//!
//! Nothing of it is stored, and none of it shares a queue, a lane or a call with messages. A signal
//! waits for nothing but its own check; what finds no room is dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::event::Content;
use mpim_proto::{
    DispatchEventsReq, Event, EventDelivery, TextEvent, TypingEvent, presence_service, user_service,
};
use mprpc::Context;
use tokio::sync::{Semaphore, mpsc};

use crate::config::EventsConfig;
use crate::conversation::ConvId;
use crate::metrics::EventMetrics;
use crate::send::{SendError, To};
use crate::store::Timeline;
use crate::users::Users;

/// Events in one call to im-presence; it takes no more.
const BATCH_MAX: usize = 256;

/// What is signalled.
#[derive(Debug)]
pub(crate) enum Signal {
    Typing,
    /// One that a message could have.
    Text(String),
}

/// Checks signals and hands them on.
#[derive(Debug)]
pub(crate) struct Signals<T> {
    store: Arc<T>,
    checks: Semaphore,
    members_max: usize,
    queue: mpsc::Sender<EventDelivery>,
    metrics: EventMetrics,
}

impl<T: Timeline> Signals<T> {
    /// With what tells im-presence, which is to be run.
    pub(crate) fn prepare<P: presence_service::Server>(
        config: &EventsConfig,
        store: &Arc<T>,
        presence: &Arc<P>,
    ) -> (Self, EventTeller<P>) {
        let (queue, waiting) = mpsc::channel(config.queue_max);
        let metrics = EventMetrics::new();
        let teller = EventTeller {
            presence: Arc::clone(presence),
            timeout: Duration::from_millis(config.timeout_ms),
            metrics: metrics.clone(),
            waiting,
        };
        let (store, checks) = (Arc::clone(store), Semaphore::new(config.checks_max));
        let members_max = config.members_max;
        (Self { store, checks, members_max, queue, metrics }, teller)
    }

    /// Where events wait for im-presence.
    pub(crate) fn queue(&self) -> mpsc::Sender<EventDelivery> {
        self.queue.clone()
    }

    /// Tells the others in the conversation something that `from` signals. Ok also if it was dropped.
    ///
    /// # Errors
    /// As for a message.
    pub(crate) async fn signal<U: user_service::Server>(
        &self,
        cx: &Context,
        users: &Users<U>,
        from: i64,
        to: To,
        signal: Signal,
    ) -> Result<(), SendError> {
        let Ok(_place) = self.checks.try_acquire() else {
            self.metrics.dropped_checks.increment(1);
            return Ok(());
        };
        let recipients = self.recipients(cx, users, from, to).await?;
        let group_id = if let To::Group(group_id) = to { group_id } else { 0 };
        let content = Some(match signal {
            Signal::Typing => Content::Typing(TypingEvent { from, group_id }),
            Signal::Text(text) => Content::Text(TextEvent { from, group_id, text }),
        });
        self.tell(EventDelivery { event: Some(Event { content }), recipients });
        Ok(())
    }

    /// The others in the conversation; nobody in a group that is too large for signals.
    async fn recipients<U: user_service::Server>(
        &self,
        cx: &Context,
        users: &Users<U>,
        from: i64,
        to: To,
    ) -> Result<Vec<i64>, SendError> {
        if from <= 0 {
            return Err(SendError::BadSender);
        }
        match to {
            To::User(uid) if !users.exists(cx, uid).await.map_err(SendError::Users)? => {
                Err(SendError::NoSuchUser)
            }
            To::User(uid) => {
                let (first, _more) = self.store.blocked(uid, from - 1, 1).await?;
                if first == [from] { Err(SendError::Blocked) } else { Ok(vec![uid]) }
            }
            To::Group(id) if id <= 0 => Err(SendError::NoSuchGroup),
            To::Group(id) => self.others(ConvId::Group(id), from).await,
        }
    }

    /// Of a group that is too large, no more is read than shows that it is.
    async fn others(&self, conv: ConvId, from: i64) -> Result<Vec<i64>, SendError> {
        let most = self.members_max.saturating_add(1);
        let (is_member, others) = match self.store.few_members(conv, most).await? {
            Some(mut members) => {
                let is_member = members.contains(&from);
                members.retain(|uid| *uid != from);
                (is_member, members)
            }
            None => {
                let present = self.store.members_among(conv, vec![from]).await?;
                (!present.is_empty(), Vec::new())
            }
        };
        match is_member {
            true => Ok(others),
            false if self.store.exists(conv).await? => Err(SendError::NotMember),
            false => Err(SendError::NoSuchGroup),
        }
    }

    fn tell(&self, delivery: EventDelivery) {
        if delivery.recipients.is_empty() {
            self.metrics.dropped_members.increment(1);
        } else if self.queue.try_send(delivery).is_err() {
            self.metrics.dropped_queue.increment(1);
        }
    }
}

/// Tells im-presence.
pub(crate) struct EventTeller<P> {
    presence: Arc<P>,
    timeout: Duration,
    metrics: EventMetrics,
    waiting: mpsc::Receiver<EventDelivery>,
}

impl<P: presence_service::Server> EventTeller<P> {
    /// Until the [`Signals`] are dropped.
    pub(crate) async fn run(mut self) {
        let mut events = Vec::new();
        while self.waiting.recv_many(&mut events, BATCH_MAX).await > 0 {
            let count = events.len() as u64;
            let request = DispatchEventsReq { events: std::mem::take(&mut events) };
            let cx = Context::with_timeout(self.timeout);
            let call = self.presence.dispatch_events(&cx, request);
            match tokio::time::timeout_at(cx.deadline(), call).await {
                Ok(Ok(_)) => self.metrics.told.increment(count),
                // Not again: by then it is not so any more.
                Ok(Err(_)) | Err(_) => self.metrics.dropped_presence.increment(count),
            }
        }
    }
}
