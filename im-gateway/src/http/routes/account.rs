//! Accounts: registering, logging in and out, who one is.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use im_wire::{Credential, Secret, failure};
use mpim_proto::{DeviceName, Granted, PickGatewayReq, Role};
use mprpc::Context;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problems::Problems;
use crate::config::ms;
use crate::core::{self, Principal};
use crate::entry::CameFrom;
use crate::http::Http;
use crate::http::cookies::Cookie;
use crate::http::error::Refused;
use crate::http::granting::{change_password, grant, refresh as next};
use crate::http::json::{Answer, Body, BodyOrNone, Done, Nothing, is_json};
use crate::log_in::Asked;

/// The device of a log-in that names none.
const DEVICE: &str = "web";

/// Who logs in.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Credentials {
    /// Letters, digits and `. _ - @ +`; case does not tell names apart.
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "correct horse")]
    password: String,
    /// `<class>:<id>`, the class being `web`, `mobile`, `desktop` or `bot`; otherwise `web`.
    #[schema(example = "web:k3v9")]
    device: Option<String>,
    /// The refresh token comes in a cookie that scripts cannot read.
    cookie: Option<bool>,
}

/// Somebody who has logged in.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LoggedIn {
    user_id: i64,
    username: String,
    nickname: String,
    avatar_url: String,
    /// For the header `authorization`.
    token: String,
    /// Until when it is good, in seconds since 1970.
    expire_time: i64,
    /// Where to connect with binary frames; with text lines, where no gateway has frames.
    tcp_endpoint: Endpoint,
    device: String,
    /// `user`, `admin` or `bot`.
    role: &'static str,
    /// Good once, for the next tokens; unless it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Until when that is good, in seconds since 1970.
    refresh_expire_time: i64,
}

/// Where a gateway is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Endpoint {
    host: String,
    port: u16,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Me {
    user_id: i64,
    username: String,
    device: String,
    /// `user`, `admin` or `bot`.
    role: &'static str,
}

/// What is refreshed.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Refresh {
    /// Unless it is in the cookie.
    refresh_token: Option<String>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Change {
    old: String,
    new: String,
    /// As in a log-in.
    cookie: Option<bool>,
}

/// How to log out.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct LogOut {
    /// All log-ins of the user end.
    everywhere: Option<bool>,
}

#[utoipa::path(post, path = "/api/register", tag = "account", security(()),
    request_body = Credentials, responses((status = 200, body = Done<LoggedIn>), Problems))]
/// Makes an account and logs in.
pub(in crate::http) async fn register(
    State(http): State<Arc<Http>>,
    Extension(from): Extension<CameFrom>,
    kept: Cookie,
    Body(credentials): Body<Credentials>,
) -> Result<(HeaderMap, Done<LoggedIn>), Refused> {
    let new = |username, password| Credential::New { username, password };
    begin(&http, from, &kept, credentials, new).await
}

#[utoipa::path(post, path = "/api/login", tag = "account", security(()),
    request_body = Credentials, responses((status = 200, body = Done<LoggedIn>), Problems))]
/// Logs in.
pub(in crate::http) async fn login(
    State(http): State<Arc<Http>>,
    Extension(from): Extension<CameFrom>,
    kept: Cookie,
    Body(credentials): Body<Credentials>,
) -> Result<(HeaderMap, Done<LoggedIn>), Refused> {
    let known = |username, password| Credential::Password { username, password };
    begin(&http, from, &kept, credentials, known).await
}

async fn begin(
    http: &Http,
    from: CameFrom,
    kept: &Cookie,
    credentials: Credentials,
    credential: impl FnOnce(Bytes, Secret) -> Credential,
) -> Result<(HeaderMap, Done<LoggedIn>), Refused> {
    let Credentials { username, password, device, cookie } = credentials;
    let device = device.unwrap_or_else(|| DEVICE.to_owned());
    if DeviceName::parse(&device).is_none() {
        return Err(Refused::of(failure::BAD_DEVICE));
    }
    let credential = credential(username.into(), Secret::new(password));
    let asked = Asked { device, refreshes: true, from: Some(from.ip) };
    let granted = grant(http, credential, asked).await?;
    Ok(logged_in(http, granted, kept.only_if(cookie)).await)
}

#[utoipa::path(post, path = "/api/refresh", tag = "account", security(()),
    request_body = Refresh, responses((status = 200, body = Done<LoggedIn>), Problems))]
/// The next tokens of a log-in. A refresh token that is used twice ends it.
pub(in crate::http) async fn refresh(
    State(http): State<Arc<Http>>,
    cookie: Cookie,
    Body(Refresh { refresh_token }): Body<Refresh>,
) -> Response {
    let by_cookie = refresh_token.is_none().then_some(&cookie);
    let granted = match refresh_token.or_else(|| cookie.kept()) {
        Some(token) => next(&http, token).await,
        None => Err(Refused::of("invalid token")),
    };
    match granted {
        Ok(granted) => logged_in(&http, granted, by_cookie).await.into_response(),
        Err(refused) => without(by_cookie, refused),
    }
}

/// Refuses. A browser forgets the cookie by which nobody can log in.
fn without(cookie: Option<&Cookie>, refused: Refused) -> Response {
    let cookie = cookie.filter(|_| refused.is_unauthenticated());
    (cookie.map_or_else(HeaderMap::new, Cookie::forget), refused).into_response()
}

#[utoipa::path(post, path = "/api/password", tag = "account", request_body = Change,
    responses((status = 200, body = Done<LoggedIn>), Problems))]
/// Changes the password. All other log-ins of the user end, and this one is given new tokens.
pub(in crate::http) async fn password(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Extension(from): Extension<CameFrom>,
    kept: Cookie,
    Body(Change { old, new, cookie }): Body<Change>,
) -> Result<(HeaderMap, Done<LoggedIn>), Refused> {
    let passwords = [old, new].map(Secret::new);
    let granted = change_password(&http, principal, from.ip, passwords).await?;
    Ok(logged_in(&http, granted, kept.only_if(cookie)).await)
}

/// What is told of a log-in, and what the browser keeps of it in a cookie.
async fn logged_in(
    http: &Http,
    granted: Granted,
    cookie: Option<&Cookie>,
) -> (HeaderMap, Done<LoggedIn>) {
    let role = role(granted.role());
    let refresh_expire_time = granted.refresh_expires_at_ms / 1_000;
    let left_s = refresh_expire_time - http.gateway.clock.now_ms() / 1_000;
    let kept = cookie.map(|cookie| cookie.keep(&granted.refresh_token, left_s));
    let data = LoggedIn {
        user_id: granted.user_id,
        nickname: granted.username.clone(),
        username: granted.username,
        avatar_url: String::new(),
        token: granted.token,
        expire_time: granted.expires_at_ms / 1_000,
        tcp_endpoint: endpoint(http, granted.user_id).await,
        device: granted.device,
        role,
        refresh_token: cookie.is_none().then_some(granted.refresh_token),
        refresh_expire_time,
    };
    (kept.unwrap_or_default(), Done::with(data))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
        Role::Bot => "bot",
    }
}

/// Where im-presence would have the user, or else here.
async fn endpoint(http: &Http, user_id: i64) -> Endpoint {
    let gateway = &http.gateway;
    let cx = Context::with_timeout(ms(gateway.config.calls.signal_timeout_ms));
    let picked = gateway.services.routing.pick_gateway(&cx, PickGatewayReq { user_id }).await;
    let picked = match picked {
        Ok(picked) if picked.result.as_ref().is_some_and(mpim_proto::Result::is_ok) => {
            of_frames(&picked.frames_endpoint, &picked.endpoint)
        }
        Ok(_) => None,
        Err(status) => {
            tracing::debug!(%status, "no gateway was picked");
            None
        }
    };
    let offer = &gateway.identity.offer;
    let here = || of_frames(&offer.frames_endpoint, &offer.endpoint);
    picked.or_else(here).unwrap_or(Endpoint { host: String::new(), port: 0 })
}

/// Where frames are spoken; text lines, if they are nowhere.
fn of_frames(frames: &str, text: &str) -> Option<Endpoint> {
    parse_endpoint(if frames.is_empty() { text } else { frames })
}

fn parse_endpoint(endpoint: &str) -> Option<Endpoint> {
    let (host, port) = endpoint.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Endpoint { host, port: port.parse().ok()? })
}

#[utoipa::path(post, path = "/api/logout", tag = "account", request_body = Option<LogOut>,
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Ends the log-in: its tokens are worthless, its connections end. Without a good token it is that of the
/// cookie.
pub(in crate::http) async fn logout(
    State(http): State<Arc<Http>>,
    principal: Result<Principal, Refused>,
    cookie: Cookie,
    headers: HeaderMap,
    BodyOrNone(LogOut { everywhere }): BodyOrNone<LogOut>,
) -> Response {
    // A page of another site cannot say that it sends JSON.
    let kept = cookie.kept().filter(|_| is_json(&headers));
    let (principal, by_cookie) = match (principal, kept) {
        (Err(refused), Some(token)) if refused.is_unauthenticated() => {
            (next(&http, token).await.map(Principal::from), Some(&cookie))
        }
        (principal, _) => (principal, None),
    };
    let ended = match principal {
        Ok(principal) => core::log_out(&http.gateway, principal, everywhere == Some(true)).await,
        Err(refused) => return without(by_cookie, refused),
    };
    match ended {
        Ok(()) => (cookie.forget(), Done::nothing()).into_response(),
        Err(reply) => Refused::from(reply).into_response(),
    }
}

#[utoipa::path(get, path = "/api/me", tag = "account",
    responses((status = 200, body = Done<Me>), Problems))]
/// Who the caller is.
pub(in crate::http) async fn me(principal: Principal) -> Answer<Me> {
    let Principal { user_id, username, device, role: of, .. } = principal;
    Ok(Done::with(Me { user_id, username, device, role: role(of) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let parsed = |endpoint: &str| parse_endpoint(endpoint).map(|at| (at.host, at.port));
        assert_eq!(parsed("im.example.org:443"), Some(("im.example.org".to_owned(), 443)));
        assert_eq!(parsed("[::1]:6000"), Some(("::1".to_owned(), 6000)));
        assert_eq!(parsed("nowhere"), None);
    }
}
