//! What is asked of a service of the original in place of what only ours have.

use std::collections::HashSet;

use im_wire::failure;
use mpim_proto::{
    C2cMsg, GetUserGroupsReq, GroupMsg, PullOfflineReq, SendBatchReq, SendGroupReq, SendOutcome,
    SendReq, send_batch_req,
};
use mprpc::{Code, Context, Executed, Status};

use super::REASON;
use crate::calls::SEND_PAUSE;
use crate::config::ms;
use crate::direct::Direct;
use crate::gateway::Gateway;
use crate::log_in::{self, Revoked};
use crate::pushed::{direct, direct_of_group};
use crate::sessions::Handle;

/// Whether a call failed for being one that only ours serve, and the original is asked instead.
pub(crate) fn serves(gateway: &Gateway, status: &Status) -> bool {
    gateway.config.original.enabled && status.code() == Code::Unimplemented
}

/// The same of an answer.
pub(crate) fn is_asked_instead<T>(gateway: &Gateway, answer: &Result<T, Status>) -> bool {
    answer.as_ref().is_err_and(|status| serves(gateway, status))
}

/// Sends a batch's messages one by one. The first that fails ends it: what came after would stand
/// before it if the client sent it again.
///
/// # Errors
/// What the client is told when not even the first was sent; fewer outcomes than messages tell it
/// of the others.
pub(crate) async fn send(
    gateway: &Gateway,
    cx: &Context,
    batch: SendBatchReq,
) -> Result<Vec<SendOutcome>, &'static str> {
    let SendBatchReq { from, to, messages, .. } = batch;
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        match send_one(gateway, cx, from, to, message.text).await {
            Ok(outcome) => outcomes.push(outcome),
            Err(status) => {
                gateway.complaints.failed("Send", &status);
                let refused =
                    status.code() == Code::ResourceExhausted && status.executed() == Executed::No;
                let text = if refused { failure::SLOW_DOWN } else { failure::UNAVAILABLE };
                return if outcomes.is_empty() { Err(text) } else { Ok(outcomes) };
            }
        }
    }
    Ok(outcomes)
}

/// Sends one message; again only if it was certainly not sent, since nothing else makes that safe.
async fn send_one(
    gateway: &Gateway,
    cx: &Context,
    from: i64,
    to: Option<send_batch_req::To>,
    text: String,
) -> Result<SendOutcome, Status> {
    let service = &gateway.services.message;
    let ts_ms = gateway.clock.now_ms();
    let mut pause = SEND_PAUSE.0;
    loop {
        let text = text.clone();
        let sent = match to {
            Some(send_batch_req::To::ToUser(to)) => {
                let msg = Some(C2cMsg { msg_id: 0, from, to, ts_ms, text });
                let request = SendReq { msg, ..SendReq::default() };
                let answer = service.send(cx, request).await;
                answer.map(|answer| (answer.result, answer.msg_id))
            }
            Some(send_batch_req::To::ToGroup(group_id)) => {
                let msg = Some(GroupMsg { msg_id: 0, from, group_id, ts_ms, text });
                let request = SendGroupReq { msg, ..SendGroupReq::default() };
                let answer = service.send_group(cx, request).await;
                answer.map(|answer| (answer.result, answer.msg_id))
            }
            None => return Err(Status::internal("a batch for nobody")),
        };
        match sent {
            Ok((result, msg_id)) => return Ok(SendOutcome { result, msg_id, seq: 0 }),
            Err(status)
                if status.code() == Code::Unavailable
                    && status.executed() == Executed::No
                    && cx.remaining() > pause =>
            {
                tracing::debug!(%status, "a send is tried again");
            }
            Err(status) => return Err(status),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SEND_PAUSE.1);
    }
}

/// Everything that waits for a user. The original's im-message forgets it with this answer.
pub(crate) async fn pull(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
) -> Result<Vec<Direct>, Status> {
    let request = PullOfflineReq { user_id };
    let answer = gateway.services.message.pull_offline(cx, request).await?;
    if let Some(result) = answer.result.filter(|result| !result.is_ok()) {
        return Err(Status::unavailable(result.msg));
    }
    let mut directs: Vec<Direct> = answer.msg_list.iter().map(direct).collect();
    let of_groups: Vec<&GroupMsg> =
        answer.group_msg_list.iter().filter(|msg| msg.from != user_id).collect();
    if !of_groups.is_empty() {
        // It hands out the messages of all groups to whoever comes first.
        let groups = groups(gateway, cx, user_id).await;
        let own = of_groups.into_iter().filter(|msg| groups.contains(&msg.group_id));
        directs.extend(own.map(direct_of_group));
    }
    Ok(directs)
}

async fn groups(gateway: &Gateway, cx: &Context, user_id: i64) -> HashSet<i64> {
    let answer = gateway.services.group.get_user_groups(cx, GetUserGroupsReq { user_id }).await;
    match answer {
        Ok(answer) => answer.group_ids.into_iter().collect(),
        Err(status) => {
            gateway.complaints.failed("GetUserGroups", &status);
            HashSet::new()
        }
    }
}

/// The route of a session was bound: it is put where the original's services look for it, too.
pub(crate) async fn bound(gateway: &Gateway, cx: &Context, session: &Handle) {
    let Some(routes) = &gateway.original else { return };
    routes.bind(session.user_id).await;
    if session.since_ms() == 0 {
        close_older(gateway, cx, session).await;
    }
}

/// Closes the sessions of the same user that began earlier on this gateway, and gives them the time
/// to hand over: an im-presence of the original fences nobody.
async fn close_older(gateway: &Gateway, cx: &Context, session: &Handle) {
    let at_most = cx.capped(ms(gateway.config.calls.hand_over_ms)).deadline();
    for older in gateway.sessions.older(session) {
        older.mailbox.close(REASON);
        // It is closed in any case, and may at worst show again what its successor shows.
        let _ = tokio::time::timeout_at(at_most, older.handed_over()).await;
    }
}

/// What else ends with a session. The original's im-user refuses a second log-in until it was told
/// that the first has ended, whatever ended it.
pub(crate) async fn leave(gateway: &Gateway, session: &Handle, token: String) {
    let Some(routes) = &gateway.original else { return };
    if gateway.sessions.leave(session.user_id, |_| true) == 0 {
        routes.unbind(session.user_id).await;
    }
    if is_of_original(&token) {
        // A failure is logged there.
        let _ = log_in::revoke(gateway, Revoked::of_token(session.user_id, token)).await;
    }
}

/// The token of who has registered. The original's im-user gives none, although its `Logout` wants
/// the one that its `Login` gives.
pub(crate) fn token(user_id: i64, given: String) -> String {
    if given.is_empty() { format!("{TOKEN_PREFIX}{user_id}") } else { given }
}

pub(super) fn is_of_original(token: &str) -> bool {
    token.starts_with(TOKEN_PREFIX)
}

/// Before the user's id, in every token of the original.
const TOKEN_PREFIX: &str = "tok_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_is_told_from_one_of_the_original() {
        let ours = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
        assert!(!is_of_original(&token(42, ours.to_owned())));
        assert_eq!(token(42, String::new()), "tok_42");
        assert!(is_of_original("tok_42"));
    }
}
