//! Who asks: the token in the header, looked at by im-user with each request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use im_common::InUse;
use im_wire::failure;
use mpim_proto::{Granted, VerifyTokenReq};
use mprpc::{Code, Context};

use super::Http;
use super::error::Refused;
use crate::commands::{refusal_as, unavailable};
use crate::config::ms;
use crate::core::Principal;
use crate::granting::not_good;
use crate::metrics::METRICS;

/// The longest token that im-user is asked about, in bytes.
const TOKEN_BYTES_MAX: usize = 4 << 10;

impl FromRequestParts<Arc<Http>> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refused> {
        let Some(token) = bearer(&parts.headers)? else {
            return Err(Refused::of(failure::NOT_LOGIN));
        };
        let gateway = &http.gateway;
        let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
        // Whoever has only made one up comes this far as well.
        let place = tokio::time::timeout_at(cx.deadline(), gateway.tokens.acquire()).await;
        let Ok(Ok(place)) = place else { return Err(Refused::of(failure::UNAVAILABLE)) };
        let counted = InUse::of(&METRICS.tokens);
        let request = VerifyTokenReq { token: token.to_owned(), ..VerifyTokenReq::default() };
        let verified = gateway.services.user.verify_token(&cx, request).await;
        drop((place, counted));
        let answer = match verified {
            Ok(answer) => answer,
            // One of the original system, whose tokens say nothing.
            Err(status) if status.code() == Code::Unimplemented => {
                return Err(Refused::of(failure::NOT_SUPPORTED));
            }
            Err(status) => {
                return Err(Refused::from(unavailable(gateway, "VerifyToken", &status)));
            }
        };
        if let Some(refused) = refusal_as(answer.result, not_good) {
            return Err(Refused::from(refused));
        }
        let Some(granted) = answer.granted else {
            return Err(Refused::of(failure::NOT_SUPPORTED));
        };
        http.users.take(granted.user_id, http.of_user, 1).map_err(|wait| {
            METRICS.http_slow_downs_user.increment(1);
            Refused::slow_down(wait)
        })?;
        Ok(Self { token: token.to_owned(), ..Self::from(granted) })
    }
}

impl From<Granted> for Principal {
    fn from(granted: Granted) -> Self {
        Self {
            user_id: granted.user_id,
            role: granted.role(),
            username: granted.username,
            device: granted.device,
            token: granted.token,
        }
    }
}

/// The token of a request; `None` without one.
///
/// # Errors
/// There is something else, or more than one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let invalid = || Refused::of("invalid token");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = |value: &'_ HeaderValue| -> Option<usize> {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let is_token = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
        (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(scheme.len() + 1)
    };
    match (token(value), values.next()) {
        (Some(at), None) => value.to_str().map(|value| Some(&value[at..])).map_err(|_| invalid()),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_taken_and_nothing_else() {
        let taken = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(|token| token.map(str::to_owned)).map_err(|_| ())
        };
        assert_eq!(taken(&[]), Ok(None));
        assert_eq!(taken(&["bearer abc"]), Ok(Some("abc".to_owned())));
        for bad in [&["Basic abc"][..], &["Bearer"], &["Bearer "], &["Bearer a", "Bearer a"]] {
            assert_eq!(taken(bad), Err(()), "{bad:?}");
        }
    }
}
