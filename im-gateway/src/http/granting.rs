//! Log-ins over HTTP: there is no session, only what was granted.

use std::net::IpAddr;

use im_common::InUse;
use im_wire::{Credential, Secret, failure};
use mpim_proto::{ChangePasswordReq, Granted};
use mprpc::Context;

use super::Http;
use super::error::Refused;
use crate::config::ms;
use crate::core::Principal;
use crate::granting;
use crate::log_in::{self, Asked, Known};
use crate::metrics::METRICS;
use crate::original::Unbegun;

/// Asks im-user for tokens of a log-in that refreshes.
///
/// # Errors
/// It refuses, or is not there.
pub(super) async fn grant(
    http: &Http,
    credential: Credential,
    asked: Asked,
) -> Result<Granted, Refused> {
    let gateway = &http.gateway;
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    // They wait with the log-ins of sessions, not beside them.
    let place = tokio::time::timeout_at(cx.deadline(), gateway.logins.acquire()).await;
    let Ok(Ok(_place)) = place else { return Err(Refused::of(failure::AUTH_TOO_MANY_ATTEMPTS)) };
    let _counted = InUse::of(&METRICS.logins);
    let known = log_in::ask(gateway, &cx, credential, asked).await.map_err(Refused::from)?;
    let Known { user_id, token, granted, .. } = known;
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
    granting::refresh(&http.gateway, refresh_token).await.map_err(Refused::from)
}

/// Asks im-user to change a password; the log-in of the token goes on.
///
/// # Errors
/// im-user refuses, or is not there.
pub(super) async fn change_password(
    http: &Http,
    principal: Principal,
    from: IpAddr,
    [old, new]: [Secret; 2],
) -> Result<Granted, Refused> {
    let [old_password, new_password] = [old, new].map(Secret::into_exposed);
    let (token, address) = (principal.token, granting::address(Some(from)));
    let request = ChangePasswordReq { held: None, old_password, new_password, token, address };
    granting::change_password(&http.gateway, request).await.map_err(Refused::from)
}
