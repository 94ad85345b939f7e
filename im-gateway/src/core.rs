//! What a user may do, for protocols without a session: one command, one reply.
//!
//! A session decides about order, windows and positions; none of that concerns somebody who asks one
//! question and goes. What a command means is the same for both: the same calls, the same refusals.

use im_common::walk;
use im_wire::event_stream::Position;
use im_wire::{Command, Peer, Reply, failure};
use mpim_proto::{
    AdvanceCursorsReq, CursorMove, LogoutReq, Outgoing, Role, SendBatchReq, send_batch_req,
};
use mprpc::{Code, Context, Status};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::config::ms;
use crate::gateway::Gateway;
use crate::metrics::METRICS;
use crate::sending::Manner;
use crate::session::reply_to_send;
use crate::{calls, commands, events};

/// Somebody whose token was good a moment ago.
pub(crate) struct Principal {
    pub(crate) user_id: i64,
    pub(crate) username: String,
    pub(crate) role: Role,
    /// The device that the token was given to.
    pub(crate) device: String,
    pub(crate) token: String,
}

/// Carries out `command` for somebody without a session. What only a session has is answered as
/// something that is not there.
pub(crate) async fn perform(gateway: &Gateway, principal: &Principal, command: Command) -> Reply {
    let user_id = principal.user_id;
    let signals = || gateway.limits.signals(user_id).err().map(Reply::slow_down);
    match command {
        Command::Typing { peer } => match signals() {
            None => events::typing(gateway, user_id, peer).await,
            Some(refused) => refused,
        },
        Command::Whisper { peer, text } => match signals() {
            None => events::whisper(gateway, user_id, peer, text).await,
            Some(refused) => refused,
        },
        Command::Register { .. }
        | Command::Login { .. }
        | Command::LogIn(_)
        | Command::Logout
        | Command::LogoutEverywhere
        | Command::Refresh { .. }
        | Command::ChangePassword { .. }
        | Command::Device { .. }
        | Command::Send { .. }
        | Command::SendGroup { .. }
        | Command::Message(_)
        | Command::Pull
        | Command::Ack { .. }
        | Command::Events { .. }
        | Command::Receipts { .. }
        | Command::Priority { .. }
        | Command::Status { .. } => Reply::err(failure::UNKNOWN_COMMAND),
        command => commands::answer(gateway, user_id, command).await,
    }
}

/// Ends the log-in of a token, or all of its user.
///
/// # Errors
/// The reply, if it is unknown whether the token still opens doors.
pub(crate) async fn log_out(
    gateway: &Gateway,
    principal: Principal,
    everywhere: bool,
) -> Result<(), Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let Principal { user_id, token, .. } = principal;
    // There is no route to unbind.
    let request =
        LogoutReq { user_id, token, everywhere, unbinds_route: true, ..Default::default() };
    let answer = gateway.services.user.logout(&cx, request).await;
    let answer = answer.map_err(|status| not_had(gateway, "LOGOUT", &status))?;
    commands::refusal(answer.result).map_or(Ok(()), Err)
}

/// A message of somebody without a session: a batch of one. Whoever sends several to one conversation
/// has them in order by waiting for each.
#[derive(Debug)]
pub(crate) struct Single {
    pub(crate) to: Peer,
    /// Makes a retry safe; `None`: a retry is another message.
    pub(crate) client_msg_id: Option<String>,
    pub(crate) text: String,
    pub(crate) manner: Manner,
}

/// Sends it; the reply tells its id and its number.
pub(crate) async fn send(gateway: &Gateway, principal: &Principal, single: Single) -> Reply {
    if let Err(wait) = gateway.limits.sends(principal.user_id) {
        return Reply::slow_down(wait);
    }
    let Single { to, client_msg_id, text, manner } = single;
    let client_msg_id = client_msg_id.unwrap_or_else(|| gateway.message_ids.make());
    let request = SendBatchReq {
        from: principal.user_id,
        to: Some(match to {
            Peer::User(to) => send_batch_req::To::ToUser(to),
            Peer::Group(to) => send_batch_req::To::ToGroup(to),
        }),
        messages: vec![Outgoing { client_msg_id, text }],
        device: principal.device.clone(),
        priority: manner.priority.into(),
        receipts: manner.receipts,
        repeatable: manner.repeatable,
    };
    let begun = Instant::now();
    METRICS.count_batch(1);
    let hop = walk::hop!("gateway.send");
    let outcome = calls::send(gateway, request).instrument(hop).await;
    METRICS.send_time.record(begun.elapsed());
    match outcome {
        Ok(outcomes) => {
            let outcome = outcomes.into_iter().next().unwrap_or_default();
            reply_to_send(to, outcome, true)
        }
        Err(words) => Reply::err(words),
    }
}

/// Somebody has got what their device was shown up to these positions, wherever its session is. One that
/// is here need not wait for these any more.
///
/// # Errors
/// The reply, if it is unknown whether that is kept.
pub(crate) async fn received(
    gateway: &Gateway,
    principal: &Principal,
    positions: &[Position],
) -> Result<(), Reply> {
    let (user_id, device) = (principal.user_id, &principal.device);
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let moves = positions.iter().map(|position| CursorMove {
        conv_id: commands::conversation(user_id, position.peer),
        seq: position.seq,
    });
    let request = AdvanceCursorsReq { user_id, device: device.clone(), moves: moves.collect() };
    let answer = gateway.services.message.advance_cursors(&cx, request).await;
    let answer = answer.map_err(|status| not_had(gateway, "AdvanceCursors", &status))?;
    let msg_ids: Vec<i64> = positions.iter().map(|position| position.msg_id).collect();
    for session in gateway.sessions.of_devices(user_id, |of| of == device) {
        session.mailbox.acknowledge(&msg_ids);
    }
    commands::refusal(answer.result).map_or(Ok(()), Err)
}

fn not_had(gateway: &Gateway, what: &'static str, status: &Status) -> Reply {
    match status.code() {
        // Beside services of the original system.
        Code::Unimplemented => Reply::err(failure::NOT_SUPPORTED),
        _ => commands::unavailable(gateway, what, status),
    }
}
