//! The one cookie: a browser's refresh token, out of the reach of its scripts.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use super::Http;
use crate::config::SecureCookie;
use crate::entry::CameFrom;

/// What a browser makes sure of: only this host can have set it, and only over TLS.
const OVER_TLS: &str = "__Host-mpim_refresh";
/// Without TLS nobody can promise that.
const OVER_TCP: &str = "mpim_refresh";
/// It does not go with what other sites ask.
const MANNER: &str = "HttpOnly; SameSite=Strict; Path=/";

/// The cookie, as it goes over the connection of a request.
#[derive(Debug)]
pub(super) struct Cookie {
    is_secure: bool,
    kept: Option<String>,
}

impl Cookie {
    fn new(is_secure: bool, headers: &HeaderMap) -> Self {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
        let name = name(is_secure);
        let mut tokens = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        // Of two, one may have been put there by somebody else.
        let kept = match (tokens.next(), tokens.next()) {
            (Some(token), None) => Some(token.to_owned()),
            _ => None,
        };
        Self { is_secure, kept }
    }

    /// The token that the browser has kept.
    pub(super) fn kept(&self) -> Option<String> {
        self.kept.clone()
    }

    /// The cookie, for those who asked that there be one.
    pub(super) fn only_if(&self, asked: Option<bool>) -> Option<&Self> {
        asked.unwrap_or(false).then_some(self)
    }

    /// Has the browser keep the token for so many seconds.
    pub(super) fn keep(&self, refresh_token: &str, seconds: i64) -> HeaderMap {
        self.set(refresh_token, seconds.max(0))
    }

    /// Has the browser forget it.
    pub(super) fn forget(&self) -> HeaderMap {
        self.set("", 0)
    }

    fn set(&self, token: &str, seconds: i64) -> HeaderMap {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = name(self.is_secure);
        let value = format!("{name}={token}; {MANNER}{secure}; Max-Age={seconds}");
        let value = HeaderValue::from_str(&value).ok();
        value.map(|value| (SET_COOKIE, value)).into_iter().collect()
    }
}

fn name(is_secure: bool) -> &'static str {
    if is_secure { OVER_TLS } else { OVER_TCP }
}

impl FromRequestParts<Arc<Http>> for Cookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Infallible> {
        let is_secure = match http.gateway.config.http.secure_cookie {
            SecureCookie::Always => true,
            SecureCookie::Auto => {
                parts.extensions.get::<CameFrom>().is_some_and(|from| from.secure)
            }
        };
        Ok(Self::new(is_secure, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(is_secure: bool, lines: &[&'static str]) -> Cookie {
        let lines = lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line)));
        Cookie::new(is_secure, &lines.collect())
    }

    #[test]
    fn the_token_is_found_among_other_cookies_and_nothing_else_is_taken_for_it() {
        let found = |lines: &[&'static str]| cookie(false, lines).kept();
        assert_eq!(found(&["a=b; mpim_refresh=mpr_1"]).as_deref(), Some("mpr_1"));
        assert_eq!(found(&["a=b", "mpim_refresh=mpr_1;c=d"]).as_deref(), Some("mpr_1"));
        assert_eq!(found(&["xmpim_refresh=1; mpim_refreshed=2; a=mpim_refresh"]), None);
    }

    #[test]
    fn what_somebody_else_may_have_put_there_is_not_used() {
        assert_eq!(cookie(false, &["mpim_refresh=a; mpim_refresh=b"]).kept(), None);
        let both = ["__Host-mpim_refresh=a; mpim_refresh=b"];
        assert_eq!(cookie(true, &both).kept().as_deref(), Some("a"));
        assert_eq!(cookie(true, &both[..0]).kept(), None);
        assert_eq!(cookie(true, &["mpim_refresh=b"]).kept(), None);
    }

    #[test]
    fn a_token_with_a_line_end_becomes_no_header() {
        let nothing = cookie(false, &[]);
        assert!(nothing.keep("a\r\nx: y", 1).is_empty());
        let expected = "mpim_refresh=mpr_1; HttpOnly; SameSite=Strict; Path=/; Max-Age=5";
        assert_eq!(nothing.keep("mpr_1", 5)[SET_COOKIE], expected);
        let expected = "__Host-mpim_refresh=; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=0";
        assert_eq!(cookie(true, &[]).forget()[SET_COOKIE], expected);
    }
}
