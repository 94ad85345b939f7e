//! The one cookie: a browser's refresh token, out of the reach of its scripts.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

/// Its name.
const NAME: &str = "mpim_refresh";
/// It goes nowhere else, and not with what other sites ask.
const MANNER: &str = "HttpOnly; SameSite=Strict; Path=/api/refresh";

/// Has the browser keep the token for so many seconds.
pub(super) fn keep(refresh_token: &str, seconds: i64) -> HeaderMap {
    set(&format!("{NAME}={refresh_token}; {MANNER}; Max-Age={}", seconds.max(0)))
}

/// Has the browser forget it.
pub(super) fn forget() -> HeaderMap {
    set(&format!("{NAME}=; {MANNER}; Max-Age=0"))
}

fn set(cookie: &str) -> HeaderMap {
    let value = HeaderValue::from_str(cookie).ok();
    value.map(|value| (SET_COOKIE, value)).into_iter().collect()
}

/// The token that a browser has kept.
pub(super) fn kept(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies_and_nothing_else_is_taken_for_it() {
        let found = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            kept(&headers).map(str::to_owned)
        };
        assert_eq!(found(&["a=b; mpim_refresh=mpr_1"]).as_deref(), Some("mpr_1"));
        assert_eq!(found(&["a=b", "mpim_refresh=mpr_1;c=d"]).as_deref(), Some("mpr_1"));
        assert_eq!(found(&["xmpim_refresh=1; mpim_refreshed=2; a=mpim_refresh"]), None);
    }

    #[test]
    fn a_token_with_a_line_end_becomes_no_header() {
        assert!(keep("a\r\nx: y", 1).is_empty());
        let kept = keep("mpr_1", 5);
        let expected =
            "mpim_refresh=mpr_1; HttpOnly; SameSite=Strict; Path=/api/refresh; Max-Age=5";
        assert_eq!(kept[SET_COOKIE], expected);
    }
}
