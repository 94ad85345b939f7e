//! Carries out what sessions want from the services.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use im_common::{InUse, walk};
use im_wire::{Peer, failure};
use mpim_proto::{
    AdvanceCursorsReq, BindRouteReq, GetPositionsReq, ListBehindReq, SendBatchReq, SendOutcome,
    send_batch_req,
};
use mprpc::{Code, Context, Executed, Status};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::advances;
use crate::config::ms;
use crate::cursors::Moves;
use crate::events;
use crate::fetches;
use crate::gateway::Gateway;
use crate::log_in;
use crate::metrics::METRICS;
use crate::original;
use crate::sending::Batch;
use crate::session::{Answer, Call, Failed};
use crate::sessions::Handle;

/// Conversations on one page of a comparison of heads.
const BEHIND_PAGE: i32 = 200;
/// Cursors in one `AdvanceCursors`.
pub(crate) const MOVES_MAX: usize = 4_096;
/// Between two tries of a send, at first and at most.
pub(crate) const SEND_PAUSE: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(500));

/// Carries out one call of a session of `user_id`.
pub(crate) async fn carry_out(gateway: &Arc<Gateway>, session: &Arc<Handle>, call: Call) -> Answer {
    let user_id = session.user_id;
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    match call {
        Call::Send(Batch { target, manner, slots, messages }) => {
            let request = SendBatchReq {
                from: user_id,
                to: Some(match target {
                    Peer::User(to) => send_batch_req::To::ToUser(to),
                    Peer::Group(to) => send_batch_req::To::ToGroup(to),
                }),
                messages,
                device: session.device.clone(),
                priority: manner.priority.into(),
                receipts: manner.receipts,
                repeatable: manner.repeatable,
            };
            let hop = walk::hop!("gateway.send");
            let begun = Instant::now();
            METRICS.count_batch(request.messages.len());
            let outcome = send(gateway, request).instrument(hop).await;
            METRICS.send_time.record(begun.elapsed());
            Answer::Sent { target, slots, outcome }
        }
        Call::Locate(asked) => {
            let request = GetPositionsReq {
                user_id,
                device: session.device.clone(),
                conv_ids: asked.iter().map(ToString::to_string).collect(),
            };
            let _place = (gateway.fetches.acquire().await, InUse::of(&METRICS.fetches));
            let answer = gateway.services.message.get_positions(&cx, request).await;
            let positions = answer.map(|answer| answer.positions);
            Answer::Located { asked, positions: noted(gateway, "GetPositions", positions) }
        }
        Call::Fetch { conv_id, after_seq } => {
            let page = fetches::page(gateway, user_id, &conv_id, after_seq).await;
            Answer::Fetched { conv_id, page }
        }
        Call::ListBehind { after } => {
            let request = ListBehindReq {
                user_id,
                device: session.device.clone(),
                after_conv_id: after,
                limit: BEHIND_PAGE,
            };
            let _place = (gateway.fetches.acquire().await, InUse::of(&METRICS.fetches));
            let page = gateway.services.message.list_behind(&cx, request).await;
            if original::is_asked_instead(gateway, &page) {
                let pulled = original::pull(gateway, &cx, user_id).await;
                return Answer::Pulled(noted(gateway, "PullOffline", pulled));
            }
            Answer::Listed(noted(gateway, "ListBehind", page))
        }
        Call::AdvanceCursors(moves) => {
            Answer::Advanced(advances::advance(gateway, session, moves).await)
        }
        Call::Verify(token) => {
            let verified = log_in::verify(gateway, &cx, session, &token).await;
            Answer::Verified(noted(gateway, "VerifyToken", verified))
        }
        Call::Bind => {
            let bound = bind_again(gateway, cx, session).await;
            Answer::Bound(noted(gateway, "BindRoute", bound))
        }
    }
}

/// Binds the session's route. When it returns, a session that had it was closed.
///
/// A session that binds again may find that a later one has the route: its gateway did not hear in
/// time that it was fenced. Then it is told to end, like any session that is fenced.
pub(crate) async fn bind(gateway: &Gateway, cx: &Context, session: &Handle) -> Result<(), Status> {
    let identity = gateway.identity.clone();
    let request = BindRouteReq {
        user_id: session.user_id,
        gateway_id: identity.gateway_id,
        device: session.device.clone(),
        gateway_addr: identity.addr,
        boot_id: identity.boot_id,
        session_id: session.session_id.clone(),
        since_ms: session.since_ms(),
        ..BindRouteReq::default()
    };
    let cx = &cx.with_affinity(events::status_key(session.user_id));
    let answer = gateway.services.presence.bind_route(cx, request).await?;
    match answer.result {
        Some(result) if !result.is_ok() => session.mailbox.close(&result.msg),
        _ => {
            session.set_bound(answer.since_ms);
            original::bound(gateway, cx, session).await;
        }
    }
    Ok(())
}

/// Binds a route that was lost. In a task of its own, which goes on although the session ends
/// meanwhile: that unbinds the route, maybe before it is bound, and then it is unbound again here.
async fn bind_again(
    gateway: &Arc<Gateway>,
    cx: Context,
    session: &Arc<Handle>,
) -> Result<(), Status> {
    let (answer, answered) = oneshot::channel();
    let (concerned, session) = (Arc::clone(gateway), Arc::clone(session));
    gateway.tasks.spawn("bind-again", async move {
        let bound = bind(&concerned, &cx, &session).await;
        // Whatever became of it: without an answer it may be bound, too.
        if session.mailbox.is_shut() {
            log_in::unbind(&concerned, &session).await;
            original::leave(&concerned, &session, String::new()).await;
        }
        let _ = answer.send(bound);
    });
    answered.await.unwrap_or_else(|_| Err(Status::unavailable("binding a route was cut off")))
}

/// Tells im-message what a device has, in a call of its own.
pub(crate) async fn advance_cursors(
    gateway: &Gateway,
    cx: &Context,
    session: &Handle,
    moves: Moves,
) -> Result<(), Failed> {
    let hop = walk::hop!("gateway.cursor");
    walk::record(&hop, moves.msg_ids);
    let advance = async {
        for moves in moves.moves.chunks(MOVES_MAX) {
            let request = AdvanceCursorsReq {
                user_id: session.user_id,
                device: session.device.clone(),
                moves: moves.to_vec(),
            };
            let answer = gateway.services.message.advance_cursors(cx, request).await;
            let answer = noted(gateway, "AdvanceCursors", answer)?;
            gateway.complaints.refused("AdvanceCursors", answer.result);
        }
        Ok(())
    };
    advance.instrument(hop).await
}

/// The same number for whatever goes to one conversation, from whichever gateway.
fn conversation(request: &SendBatchReq) -> u64 {
    FixedState::default().hash_one(match request.to {
        Some(send_batch_req::To::ToUser(to)) => (request.from.min(to), request.from.max(to)),
        Some(send_batch_req::To::ToGroup(to)) => (0, to),
        None => (0, 0),
    })
}

/// Sends a batch, again if need be: the ids of its messages make that safe. An error is what the
/// client is told; then it is unknown whether the messages were stored.
pub(crate) async fn send(
    gateway: &Gateway,
    mut request: SendBatchReq,
) -> Result<Vec<SendOutcome>, &'static str> {
    let calls = &gateway.config.calls;
    // What goes to one conversation meets in one instance of im-message, and shares its batches.
    let cx = Context::with_timeout(ms(calls.send_timeout_ms)).with_affinity(conversation(&request));
    let mut pause = SEND_PAUSE.0;
    let mut may_be_stored = false;
    loop {
        let tried = cx.capped(ms(calls.send_try_ms));
        let status = match gateway.services.message.send_batch(&tried, request.clone()).await {
            Ok(answer) => {
                let refused = answer.result.filter(|result| !result.is_ok());
                if let Some(result) = refused {
                    let outcome = SendOutcome { result: Some(result), ..SendOutcome::default() };
                    return Ok(vec![outcome; request.messages.len()]);
                }
                let msg_ids = answer.outcomes.iter().map(|outcome| outcome.msg_id);
                walk::record(&tracing::Span::current(), msg_ids.filter(|msg_id| *msg_id > 0));
                return Ok(answer.outcomes);
            }
            Err(status) if original::serves(gateway, &status) => {
                return original::send(gateway, &cx, request).await;
            }
            Err(status) => status,
        };
        let again = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        if !again || cx.remaining() <= pause {
            gateway.complaints.failed("SendBatch", &status);
            // Whoever is told to slow down believes that nothing was stored, and sends it anew.
            let refused = status.code() == Code::ResourceExhausted && !may_be_stored;
            return Err(if refused { failure::SLOW_DOWN } else { failure::UNAVAILABLE });
        }
        may_be_stored |= status.executed() != Executed::No;
        request.repeatable |= may_be_stored;
        tracing::debug!(%status, "a send is tried again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SEND_PAUSE.1);
    }
}

/// Logs a failure; what is to be done about it does not depend on what it was.
pub(crate) fn noted<T>(
    gateway: &Gateway,
    operation: &'static str,
    outcome: Result<T, Status>,
) -> Result<T, Failed> {
    outcome.map_err(|status| {
        gateway.complaints.failed(operation, &status);
        Failed
    })
}
