//! Log-ins over HTTP: there is no session, only what was granted.

use im_common::InUse;
use im_wire::{Reply, Secret, failure};
use mpim_proto::{ChangePasswordReq, Granted, LoginReq, RefreshReq, RegisterReq};
use mprpc::{Code, Context};

use super::Http;
use super::auth::not_good;
use super::error::Refused;
use crate::commands::{refusal, refusal_as, unavailable};
use crate::config::ms;
use crate::core::Principal;
use crate::log_in::busy;
use crate::metrics::METRICS;
use crate::original::Unbegun;

/// Who asks to be logged in.
pub(super) struct Asking {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) device: String,
    /// The account is made.
    pub(super) is_new: bool,
}

/// Asks im-user for tokens of a log-in that refreshes.
///
/// # Errors
/// It refuses, or is not there.
pub(super) async fn grant(http: &Http, asking: Asking) -> Result<Granted, Refused> {
    let gateway = &http.gateway;
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    // They wait with the log-ins of sessions, not beside them.
    let place = tokio::time::timeout_at(cx.deadline(), gateway.logins.acquire()).await;
    let Ok(Ok(_place)) = place else { return Err(Refused::of(failure::AUTH_TOO_MANY_ATTEMPTS)) };
    let _counted = InUse::of(&METRICS.logins);
    let Asking { username, password, device, is_new } = asking;
    let (username, password) = (username.into(), password.into_exposed());
    let users = &gateway.services.user;
    let (user_id, token, granted) = if is_new {
        let request = RegisterReq { username, password, device, refreshes: true };
        let answer = users.register(&cx, request).await;
        let answer = answer.map_err(|status| Refused::from(busy(gateway, "REGISTER", &status)))?;
        if let Some(refused) = refusal(answer.result) {
            return Err(Refused::from(refused));
        }
        (answer.user_id, answer.token, answer.granted)
    } else {
        let (refreshes, address) = (true, String::new());
        let request = LoginReq { username, password, device, address, refreshes };
        let answer = users.login(&cx, request).await;
        let answer = answer.map_err(|status| Refused::from(busy(gateway, "LOGIN", &status)))?;
        match answer.result {
            Some(result) if result.is_ok() => {}
            Some(result) => return Err(Refused::of(format!("auth {}", result.msg))),
            None => return Err(Refused::of(failure::UNAVAILABLE)),
        }
        (answer.user_id, answer.token, answer.granted)
    };
    granted.ok_or_else(|| {
        // The original's im-user has let them in, and its tokens say nothing: they are out again.
        drop(Unbegun::new(gateway, user_id, &token));
        Refused::of(failure::NOT_SUPPORTED)
    })
}

/// Asks im-user for the next tokens of a log-in.
///
/// # Errors
/// The refresh token is no good, or im-user is not there.
pub(super) async fn refresh(http: &Http, refresh_token: String) -> Result<Granted, Refused> {
    let gateway = &http.gateway;
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let answer = gateway.services.user.refresh(&cx, RefreshReq { refresh_token }).await;
    let answer = answer.map_err(|status| match status.code() {
        Code::Unimplemented => Refused::of(failure::NOT_SUPPORTED),
        _ => Refused::from(unavailable(gateway, "Refresh", &status)),
    })?;
    match refusal_as(answer.result, not_good) {
        None => answer.granted.ok_or_else(|| Refused::from(Reply::err(failure::UNAVAILABLE))),
        Some(refused) => Err(Refused::from(refused)),
    }
}

/// Asks im-user to change a password; the log-in of the token goes on.
///
/// # Errors
/// im-user refuses, or is not there.
pub(super) async fn change_password(
    http: &Http,
    principal: Principal,
    old: Secret,
    new: Secret,
) -> Result<Granted, Refused> {
    let gateway = &http.gateway;
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let [old_password, new_password] = [old, new].map(Secret::into_exposed);
    let token = principal.token;
    let request =
        ChangePasswordReq { old_password, new_password, token, ..ChangePasswordReq::default() };
    let answer = gateway.services.user.change_password(&cx, request).await;
    let answer = answer.map_err(|status| match status.code() {
        Code::Unimplemented => Refused::of(failure::NOT_SUPPORTED),
        _ => Refused::from(busy(gateway, "ChangePassword", &status)),
    })?;
    match refusal(answer.result) {
        None => answer.granted.ok_or_else(|| Refused::from(Reply::err(failure::UNAVAILABLE))),
        Some(refused) => Err(Refused::from(refused)),
    }
}
