//! Telling im-message who joined and who left.
//!
//! im-group decides who is a member; im-message keeps the spans that follow from it, in the
//! timeline of the group's conversation. The two databases agree because
//!
//! 1. a change is noted as pending in the transaction that makes it,
//! 2. im-message is told under the change's own id, so that telling it twice is telling it once,
//! 3. the note goes only when im-message has confirmed, and
//! 4. a member's changes are told in their order: a later one waits for all before it.
//!
//! The caller of a change tells im-message at once and is answered afterwards. What a crash or an
//! unreachable im-message leaves behind is finished by the sweep (`sweep.rs`).

use std::sync::Arc;
use std::time::Duration;

use im_common::{Clock, StoreError};
use metrics::counter;
use mpim_proto::{ChangeMembershipReq, ChangeMembershipResp, MembershipChange, message_service};
use mprpc::{Code, Context, Status};

use crate::config::HandOverConfig;
use crate::store::{DueTime, GroupStore, MemberKey, PendingChange};

/// im-message, as im-group needs it.
pub(crate) trait Spans: Send + Sync + 'static {
    /// Writes the entry and the span of one change; the same `change_id` again changes nothing.
    fn change_membership(
        &self,
        cx: &Context,
        change: ChangeMembershipReq,
    ) -> impl Future<Output = Result<ChangeMembershipResp, Status>> + Send;
}

impl Spans for message_service::Client {
    async fn change_membership(
        &self,
        cx: &Context,
        change: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        message_service::Server::change_membership(self, cx, change).await
    }
}

/// Why a change is still pending.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandOverError {
    /// It has no answer from im-message yet; the sweep goes on trying.
    #[error("the change is recorded, but im-message has not confirmed it yet: {}", .0.message())]
    Unreachable(Status),
    /// There is only an im-message of the original system, which keeps no memberships. The sweep
    /// hands the change over to the one of ours that comes after it.
    #[error("no im-message keeps memberships")]
    NotServed,
    /// im-message does not want it, which no request of ours should lead to.
    #[error("im-message refused a change of membership: {0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tells im-message of pending changes.
#[derive(Debug)]
pub(crate) struct HandOver<S, M> {
    store: Arc<S>,
    messages: M,
    clock: Clock,
    config: HandOverConfig,
}

impl<S: GroupStore, M: Spans> HandOver<S, M> {
    pub(crate) fn new(store: Arc<S>, messages: M, clock: Clock, config: HandOverConfig) -> Self {
        Self { store, messages, clock, config }
    }

    /// When the sweep may take up a change that is made now. Its caller has one attempt and some
    /// waiting for turns to do before that.
    pub(crate) fn due_at_ms(&self) -> i64 {
        self.clock.now_ms() + 2 * i64::from(self.config.timeout_ms)
    }

    /// What the clock says about what is due now.
    pub(crate) fn due_time(&self) -> DueTime {
        let now_ms = self.clock.now_ms();
        let latest_ms = self.due_at_ms().max(now_ms + i64::from(self.config.backoff_max_ms));
        DueTime { now_ms, latest_ms }
    }

    /// As [`finish`](Self::finish), for whoever waits for the change: beside an im-message of the
    /// original system it is done once im-group has it. Whether it was done before: a change that is
    /// `unfinished` for im-message alone was answered when it was made.
    pub(crate) async fn finish_if_kept(
        &self,
        cx: &Context,
        change: &PendingChange,
        unfinished: bool,
    ) -> Result<bool, HandOverError> {
        match self.finish(cx, change.member, change.number).await {
            Ok(()) => Ok(false),
            Err(HandOverError::NotServed) => Ok(unfinished),
            Err(error) => Err(error),
        }
    }

    /// Tells im-message of the member's pending changes in their order, at least up to `number`.
    /// The caller has the member's turn.
    ///
    /// Dropping the future leaves what is left to the sweep.
    pub(crate) async fn finish(
        &self,
        cx: &Context,
        member: MemberKey,
        number: i64,
    ) -> Result<(), HandOverError> {
        while let Some(change) = self.store.earliest_pending(member).await? {
            if change.number > number {
                break;
            }
            self.tell(cx, &change).await?;
        }
        Ok(())
    }

    async fn tell(&self, cx: &Context, change: &PendingChange) -> Result<(), HandOverError> {
        let kind = if change.joins { MembershipChange::Join } else { MembershipChange::Leave };
        let request = ChangeMembershipReq {
            group_id: change.member.group_id,
            user_id: change.member.user_id,
            change: kind.into(),
            change_id: change.change_id.clone(),
        };
        let timeout = Duration::from_millis(self.config.timeout_ms.into());
        let answer = self.messages.change_membership(&cx.capped(timeout), request).await;
        let (outcome, error) = match answer.map(|answer| answer.result.unwrap_or_default()) {
            Ok(result) if result.is_ok() || is_so_already(change, &result) => ("confirmed", None),
            Ok(result) => ("refused", Some(HandOverError::Refused(result.msg))),
            Err(status) if status.code() == Code::Unimplemented => {
                ("not_served", Some(HandOverError::NotServed))
            }
            Err(status) => ("unreachable", Some(HandOverError::Unreachable(status))),
        };
        counter!("mpim_membership_hand_overs_total", "outcome" => outcome).increment(1);
        let Some(error) = error else {
            return Ok(self.store.confirm(change).await?);
        };
        let due_at_ms = self.clock.now_ms() + self.backoff_ms(change.attempts);
        self.store.postpone(change, due_at_ms).await?;
        Err(error)
    }

    fn backoff_ms(&self, attempts: u32) -> i64 {
        // 32 doublings are more than any maximum allows.
        let doubled = i64::from(self.config.backoff_min_ms) << attempts.min(32);
        doubled.min(self.config.backoff_max_ms.into())
    }
}

/// Whether im-message's refusal says that things are as the change wants them. That takes a
/// database that was lost or brought back from a copy; insisting would not make it better, and
/// would hold up all later changes of the member.
fn is_so_already(change: &PendingChange, refusal: &mpim_proto::Result) -> bool {
    match refusal.msg.as_str() {
        "already in group" => change.joins,
        "not in group" | "group not found" => !change.joins,
        _ => false,
    }
}
