//! `GatewayService`: what im-presence brings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use im_common::walk;
use mpim_proto::push::Content;
use mpim_proto::{CloseSessionReq, CloseSessionResp, Push, PushReq, PushResp, gateway_service};
use mprpc::{Context, Status};

use crate::pushed::{Pushed, direct_line};
use crate::sessions::Sessions;

/// How far the link from im-presence is. Pure.
#[derive(Debug, Default)]
pub(crate) struct Link {
    boot_id: String,
    seen: u64,
}

impl Link {
    /// A push has come. Answers whether others before it have not.
    pub(crate) fn pushed(&mut self, boot_id: &str, number: u64) -> bool {
        if self.boot_id != boot_id {
            // Another im-presence. Only if this gateway was never pushed to, and the link begins
            // at its beginning, is it certain that nothing was lost.
            let missed = !self.boot_id.is_empty() || number != 1;
            *self = Self { boot_id: boot_id.to_owned(), seen: number };
            return missed;
        }
        // One that is late was counted as missing when the next one came.
        let missed = number > self.seen + 1;
        self.seen = self.seen.max(number);
        missed
    }

    /// A renewal says that pushes up to `last` have gone out. Answers whether some never came.
    pub(crate) fn last_push(&mut self, boot_id: &str, last: u64) -> bool {
        if self.boot_id != boot_id {
            *self = Self { boot_id: boot_id.to_owned(), seen: last };
            return last > 0;
        }
        let missed = last > self.seen;
        self.seen = self.seen.max(last);
        missed
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PushService {
    /// Of this gateway.
    pub(crate) boot_id: String,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) link: Arc<Mutex<Link>>,
    /// Over how long syncs are spread at most.
    pub(crate) sync_spread: Duration,
}

impl gateway_service::Server for PushService {
    async fn push(&self, _cx: &Context, req: PushReq) -> Result<PushResp, Status> {
        if req.gateway_boot_id != self.boot_id {
            let result = mpim_proto::Result::not_found("another boot of this gateway was meant");
            return Ok(PushResp { result: Some(result), reached: 0 });
        }
        let missed = {
            let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
            link.pushed(&req.link_boot_id, req.number)
        };
        let hop = walk::hop!("gateway.push");
        walk::record(&hop, msg_ids(&req.pushes));
        let reached = hop.in_scope(|| req.pushes.into_iter().map(|push| self.leave(push)).sum());
        if missed || req.resync {
            tracing::info!(missed, resync = req.resync, "every session compares heads");
            sync_all(&self.sessions, self.sync_spread);
        }
        Ok(PushResp { result: Some(mpim_proto::Result::ok()), reached })
    }

    async fn close_session(
        &self,
        cx: &Context,
        req: CloseSessionReq,
    ) -> Result<CloseSessionResp, Status> {
        let ours = req.boot_id == self.boot_id;
        if let Some(session) = self.sessions.get(&req.session_id).filter(|_| ours) {
            session.mailbox.close(&req.reason);
            // Ends by itself in time; whoever asks does not wait for longer than it wants.
            let _ = tokio::time::timeout_at(cx.deadline(), session.handed_over()).await;
        }
        Ok(CloseSessionResp { result: Some(mpim_proto::Result::ok()) })
    }
}

impl PushService {
    /// Leaves a push with the sessions of its recipients; answers with how many those are.
    fn leave(&self, push: Push) -> u32 {
        let sessions = &self.sessions;
        let recipients = push.recipients.into_iter();
        match push.content {
            Some(Content::Entry(entry)) => {
                let entry = Arc::new(Pushed::new(entry));
                recipients.map(|to| sessions.leave(to, |it| it.mailbox.leave_entry(&entry))).sum()
            }
            Some(Content::Direct(msg)) => {
                let line = direct_line(&msg);
                recipients.map(|to| sessions.leave(to, |it| it.mailbox.leave_direct(&line))).sum()
            }
            None => 0,
        }
    }
}

/// Lets every session compare heads, spread over a while so that im-message gets no burst: one
/// millisecond for each session, up to the configured bound.
pub(crate) fn sync_all(sessions: &Sessions, spread_max: Duration) {
    let sessions = sessions.bound();
    let spread = Duration::from_millis(sessions.len() as u64).min(spread_max);
    for session in sessions {
        session.mailbox.sync(spread);
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

    #[test]
    fn pushes_that_follow_each_other_have_no_hole() {
        let mut link = Link::default();
        assert!(!link.pushed("p", 1));
        assert!(!link.pushed("p", 2));
        assert!(link.pushed("p", 4), "3 is missing");
        assert!(!link.pushed("p", 3), "3 is late, and was noticed");
        assert!(!link.pushed("p", 5));
    }

    #[test]
    fn a_link_that_does_not_begin_at_its_beginning_has_a_hole() {
        assert!(Link::default().pushed("p", 2));
        let mut link = Link::default();
        link.pushed("p", 1);
        assert!(link.pushed("q", 1), "what p had for this gateway is lost");
    }

    #[test]
    fn a_renewal_tells_of_pushes_that_never_came() {
        let mut link = Link::default();
        assert!(!link.last_push("p", 0));
        link.pushed("p", 1);
        assert!(!link.last_push("p", 1));
        assert!(link.last_push("p", 2));
        assert!(!link.last_push("p", 2), "once is enough");
        assert!(!link.pushed("p", 3));
        let mut fresh = Link::default();
        assert!(fresh.last_push("p", 1), "the only one never came");
    }
}
