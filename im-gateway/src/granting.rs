//! What im-user grants beside a first log-in: the next tokens, and those after another password.

use std::net::IpAddr;
use std::time::Duration;

use im_wire::{LoggedIn, Refreshes, Refusal, Reply, Role, Secret, Why, failure};
use mpim_proto::{ChangePasswordReq, Granted, RefreshReq};
use mprpc::{Code, Context, Status};

use crate::commands::{refusal, refusal_as, unavailable};
use crate::config::ms;
use crate::gateway::Gateway;
use crate::log_in::busy;

/// The next tokens of a log-in.
///
/// # Errors
/// The refresh token is no good, or im-user is not there.
pub(crate) async fn refresh(gateway: &Gateway, refresh_token: String) -> Result<Granted, Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let answer = gateway.services.user.refresh(&cx, RefreshReq { refresh_token }).await;
    let answer = answer.map_err(|status| {
        not_had(&status).unwrap_or_else(|| unavailable(gateway, "Refresh", &status))
    })?;
    match refusal_as(answer.result, not_good) {
        None => answer.granted.ok_or_else(|| Reply::err(failure::UNAVAILABLE)),
        Some(refused) => Err(refused),
    }
}

/// Another password; the log-in that `request` names goes on with other tokens, all others end.
///
/// # Errors
/// im-user refuses, or is not there.
pub(crate) async fn change_password(
    gateway: &Gateway,
    request: ChangePasswordReq,
) -> Result<Granted, Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let answer = gateway.services.user.change_password(&cx, request).await;
    let answer = answer.map_err(|status| {
        not_had(&status).unwrap_or_else(|| busy(gateway, "ChangePassword", &status))
    })?;
    match refusal(answer.result) {
        None => answer.granted.ok_or_else(|| Reply::err(failure::UNAVAILABLE)),
        Some(refused) => Err(until(refused, answer.retry_after_ms)),
    }
}

/// A client's address, as im-user takes it: empty if it is not known.
pub(crate) fn address(from: Option<IpAddr>) -> String {
    from.map(|from| from.to_string()).unwrap_or_default()
}

/// A refusal that says when to try again, if im-user does.
pub(crate) fn until(refused: Reply, retry_after_ms: i64) -> Reply {
    match (refused, u64::try_from(retry_after_ms)) {
        (Reply::Err(refusal), Ok(ms @ 1..)) => {
            Reply::Err(refusal.retry_after(Duration::from_millis(ms)))
        }
        (refused, _) => refused,
    }
}

/// Whatever im-user says of a token: it is not good.
pub(crate) fn not_good(result: mpim_proto::Result) -> Reply {
    Reply::Err(Refusal::or(result.msg, Why::InvalidToken))
}

/// Beside services of the original system.
fn not_had(status: &Status) -> Option<Reply> {
    (status.code() == Code::Unimplemented).then(|| Reply::err(failure::NOT_SUPPORTED))
}

/// What a client is told of it.
pub(crate) fn told(granted: Granted) -> Box<LoggedIn> {
    let role = match granted.role() {
        mpim_proto::Role::User => Role::User,
        mpim_proto::Role::Admin => Role::Admin,
        mpim_proto::Role::Bot => Role::Bot,
    };
    let refreshes = (!granted.refresh_token.is_empty()).then(|| Refreshes {
        token: Secret::new(granted.refresh_token),
        expires_at_ms: granted.refresh_expires_at_ms,
    });
    Box::new(LoggedIn {
        user_id: granted.user_id,
        username: granted.username,
        role,
        device: granted.device,
        token: Secret::new(granted.token),
        expires_at_ms: granted.expires_at_ms,
        refreshes,
    })
}
