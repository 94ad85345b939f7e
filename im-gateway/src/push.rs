//! `GatewayService`: what im-presence brings.

pub(crate) mod links;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use im_common::{Shutdown, walk};
use metrics::{Counter, Gauge, counter, gauge};
use mpim_proto::push::Content;
use mpim_proto::{
    CloseLogInsReq, CloseLogInsResp, CloseSessionReq, CloseSessionResp, GetStatusesReq,
    GetStatusesResp, Push, PushEventsReq, PushEventsResp, PushReq, PushResp, gateway_service,
};
use mprpc::{Context, Status};
use tokio::time::Instant;

use self::links::{Links, Missed};
use crate::events;
use crate::pushed::{Pushed, direct};
use crate::sessions::{Handle, Sessions};
use crate::spread::spread;

/// What an instance of im-presence is told that means a former process.
const OTHER_BOOT: &str = "another boot of this gateway was meant";
/// Between two looks whether a link has gone silent.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Takes what comes over the links from im-presence, however it comes.
#[derive(Debug)]
pub(crate) struct Pushes {
    sessions: Arc<Sessions>,
    links: Mutex<Links>,
    /// Over how long syncs are spread at most.
    sync_spread: Duration,
    accepted: Counter,
    repeated: Counter,
    alive: Gauge,
}

impl Pushes {
    pub(crate) fn new(sessions: Arc<Sessions>, links: Links, sync_spread: Duration) -> Self {
        Self {
            sessions,
            links: Mutex::new(links),
            sync_spread,
            accepted: counter!("mpim_gateway_pushes_total"),
            repeated: counter!("mpim_gateway_heartbeats_total"),
            alive: gauge!("mpim_gateway_links_alive"),
        }
    }

    /// Leaves a push with the sessions that it is for; answers with how many those are. If it shows
    /// that others were missed, every session compares heads.
    pub(crate) fn accept(&self, req: PushReq) -> u32 {
        let (boot_id, number, now) = (&req.link_boot_id, req.number, Instant::now());
        if req.closing {
            let missed = self.links().closed(boot_id, number, now);
            self.resync(missed.map(Missed::as_str));
            return 0;
        }
        if req.pushes.is_empty() && !req.resync {
            self.repeated.increment(1);
            let missed = self.links().repeated(boot_id, number, now);
            self.resync(missed.map(Missed::as_str));
            return 0;
        }
        self.accepted.increment(1);
        let missed = self.links().pushed(boot_id, number, now);
        let hop = walk::hop!("gateway.push");
        walk::record(&hop, msg_ids(&req.pushes));
        let reached = hop.in_scope(|| self.leave_all(req.pushes));
        self.resync(missed.map(Missed::as_str).or(req.resync.then_some("asked")));
        reached
    }

    /// A renewal was answered by an instance that has pushed up to `last`.
    pub(crate) fn renewed(&self, boot_id: &str, last: u64) {
        let missed = self.links().renewed(boot_id, last, Instant::now());
        self.resync(missed.map(Missed::as_str));
    }

    /// Looks for links that have gone silent, until the shutdown.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        while tokio::time::timeout(LOOK_INTERVAL, shutdown.triggered()).await.is_err() {
            let (missed, alive) = {
                let mut links = self.links();
                (links.passed(Instant::now()), links.alive())
            };
            self.alive.set(u32::try_from(alive).unwrap_or(u32::MAX));
            self.resync(missed.map(Missed::as_str));
        }
    }

    /// Lets every session compare heads if there is a reason, spread over a while, at most the configured
    /// one.
    pub(crate) fn resync(&self, reason: Option<&'static str>) {
        let Some(reason) = reason else { return };
        counter!("mpim_gateway_resyncs_total", "reason" => reason).increment(1);
        let sessions = self.sessions.bound();
        tracing::info!(reason, sessions = sessions.len(), "every session compares heads");
        let spread = spread(sessions.len(), self.sync_spread);
        for session in sessions {
            session.mailbox.sync(spread);
        }
    }

    /// Leaves pushes with the sessions of their recipients; answers with how many those are.
    ///
    /// Entries that follow each other and are for the same users, as in a group that talks, are left
    /// together: each session is found and woken once, however many they are.
    fn leave_all(&self, pushes: Vec<Push>) -> u32 {
        let (mut entries, mut readers) = (Vec::new(), Vec::new());
        let mut reached = 0;
        for Push { content, recipients, .. } in pushes {
            if recipients != readers {
                reached += self.leave_entries(&std::mem::take(&mut entries), &readers);
            }
            match content {
                Some(Content::Entry(entry)) => entries.push(Arc::new(Pushed::new(entry))),
                Some(Content::Direct(msg)) => {
                    let direct = direct(&msg);
                    let leave = |it: &Handle| it.mailbox.leave_direct(&direct);
                    reached +=
                        recipients.iter().map(|to| self.sessions.leave(*to, leave)).sum::<u32>();
                }
                None => {}
            }
            readers = recipients;
        }
        reached + self.leave_entries(&entries, &readers)
    }

    /// Counts each entry for itself.
    fn leave_entries(&self, entries: &[Arc<Pushed>], readers: &[i64]) -> u32 {
        if entries.is_empty() {
            return 0;
        }
        let leave = |it: &Handle| it.mailbox.leave_entries(entries);
        let sessions: u32 = readers.iter().map(|to| self.sessions.leave(*to, leave)).sum();
        sessions.saturating_mul(u32::try_from(entries.len()).unwrap_or(u32::MAX))
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        // A panic while it is held leaves at worst a number that is taken for a hole.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PushService {
    /// Of this gateway.
    pub(crate) boot_id: String,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) pushes: Arc<Pushes>,
}

impl PushService {
    /// The sessions that are to be closed.
    fn meant(&self, req: &CloseSessionReq) -> Vec<Arc<Handle>> {
        let (user_id, before_ms) = (req.user_id, req.began_before_ms);
        let is_meant = |device: &str| match req.device_class.as_str() {
            "" => device == req.device,
            class => device.split(':').next() == Some(class),
        };
        if req.boot_id != self.boot_id {
            return Vec::new();
        }
        if !req.session_id.is_empty() {
            return self.sessions.get(&req.session_id).into_iter().collect();
        }
        let mut meant = match before_ms {
            0 => self.sessions.of_devices(user_id, is_meant),
            _ => self.sessions.began_before(user_id, is_meant, before_ms),
        };
        let newest = match req.generation_max {
            0 => i64::MAX,
            generation => generation,
        };
        meant.retain(|session| session.generation <= newest);
        meant
    }
}

impl gateway_service::Server for PushService {
    async fn push(&self, _cx: &Context, req: PushReq) -> Result<PushResp, Status> {
        if req.gateway_boot_id != self.boot_id {
            let result = mpim_proto::Result::not_found(OTHER_BOOT);
            return Ok(PushResp { result: Some(result), reached: 0 });
        }
        let reached = self.pushes.accept(req);
        Ok(PushResp { result: Some(mpim_proto::Result::ok()), reached })
    }

    async fn push_events(
        &self,
        _cx: &Context,
        req: PushEventsReq,
    ) -> Result<PushEventsResp, Status> {
        if req.gateway_boot_id != self.boot_id {
            return Ok(PushEventsResp { result: Some(mpim_proto::Result::not_found(OTHER_BOOT)) });
        }
        req.events.into_iter().for_each(|event| events::leave(&self.sessions, event));
        Ok(PushEventsResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn get_statuses(
        &self,
        _cx: &Context,
        req: GetStatusesReq,
    ) -> Result<GetStatusesResp, Status> {
        if req.gateway_boot_id != self.boot_id {
            let result = Some(mpim_proto::Result::not_found(OTHER_BOOT));
            return Ok(GetStatusesResp { result, users: Vec::new() });
        }
        let users = events::statuses(&self.sessions, req.user_ids);
        Ok(GetStatusesResp { result: Some(mpim_proto::Result::ok()), users })
    }

    async fn close_session(
        &self,
        cx: &Context,
        req: CloseSessionReq,
    ) -> Result<CloseSessionResp, Status> {
        let sessions = self.meant(&req);
        sessions.iter().for_each(|session| session.mailbox.close(&req.reason));
        for session in sessions {
            // Ends by itself in time; whoever asks does not wait for longer than it wants.
            let _ = tokio::time::timeout_at(cx.deadline(), session.handed_over()).await;
        }
        Ok(CloseSessionResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn close_log_ins(
        &self,
        _cx: &Context,
        req: CloseLogInsReq,
    ) -> Result<CloseLogInsResp, Status> {
        if req.boot_id == self.boot_id {
            for ended in &req.ended {
                let sessions = self.sessions.of_log_ins(ended);
                sessions.iter().for_each(|session| session.mailbox.close(&ended.reason));
            }
        }
        Ok(CloseLogInsResp { result: Some(mpim_proto::Result::ok()) })
    }
}

fn msg_ids(pushes: &[Push]) -> impl Iterator<Item = i64> {
    pushes.iter().filter_map(|push| match &push.content {
        Some(Content::Entry(entry)) => Some(entry.msg_id),
        Some(Content::Direct(msg)) => Some(msg.msg_id),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Mailbox;
    use crate::sessions::Who;

    const SPREAD_MAX: Duration = Duration::from_millis(20);

    #[test]
    fn sessions_compare_heads_spread_over_a_time_that_grows_with_their_number_to_a_bound() {
        for (count, spread_ms) in [(1, 1), (7, 7), (50, 20)] {
            let sessions = Arc::new(Sessions::new());
            let links = Links::new(1, Duration::from_secs(1));
            let pushes = Pushes::new(Arc::clone(&sessions), links, SPREAD_MAX);
            let add = |user_id| {
                let session = sessions.add(Who::text(user_id), Mailbox::new(8, Arc::default()));
                session.handle().set_bound(1);
                session
            };
            let sessions: Vec<_> = (1..=count).map(add).collect();
            pushes.resync(None);
            assert!(sessions.iter().all(|it| it.handle().mailbox.empty().is_none()));
            pushes.resync(Some("asked"));
            for session in &sessions {
                let post = session.handle().mailbox.empty().unwrap();
                assert_eq!(post.sync_within, Some(Duration::from_millis(spread_ms)));
            }
        }
    }
}
