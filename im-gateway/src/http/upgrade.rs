//! From HTTP to WebSocket: `GET /ws` (RFC 6455, section 4).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Body as HttpBody;
use hyper_util::rt::TokioIo;
use sha1_smol::Sha1;
use socket2::SockRef;

use super::Http;
use super::error::Refused;
use super::line::Patient;
use crate::entry::CameFrom;

/// The subprotocol of our clients, chosen where it is offered.
const SUBPROTOCOL: &str = "mpim.v1";
/// The version of RFC 6455.
const VERSION: HeaderValue = HeaderValue::from_static("13");
/// What a server adds to a client's key before it hashes it.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The bytes of a client's key.
const KEY_BYTES: usize = 16;

/// Agrees with a client on WebSocket: the answer to its request, `101 Switching Protocols`.
///
/// A page may connect from the host that it asks, or from one of `origins`; programs, which say nothing
/// of an origin, from anywhere.
///
/// # Errors
/// The status and the words of the refusal, when what it asks for is no WebSocket of version 13, has a
/// body, comes from a page of somebody else, or has a token in its address, where it would be in
/// everybody's logs.
pub fn agree<B: HttpBody>(
    request: &Request<B>,
    origins: &[String],
) -> Result<Response<()>, (StatusCode, &'static str)> {
    let (uri, headers) = (request.uri(), request.headers());
    let is_upgrade = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket");
    if !is_upgrade || headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err((StatusCode::UPGRADE_REQUIRED, "bad upgrade: WebSocket of version 13"));
    }
    // It would be taken for what is said on the socket.
    if !request.body().is_end_stream() {
        return Err((StatusCode::BAD_REQUEST, "bad upgrade: it has a body"));
    }
    let mut parameters = uri.query().unwrap_or_default().split('&');
    if parameters.any(|parameter| parameter.split('=').next() == Some("token")) {
        return Err((StatusCode::BAD_REQUEST, "bad address: a token belongs into the log-in"));
    }
    if !is_welcome(headers, origins) {
        return Err((StatusCode::FORBIDDEN, "not allowed"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let decoded = key.and_then(|key| STANDARD.decode(key).ok());
    let (Some(key), Some(KEY_BYTES)) = (key, decoded.map(|key| key.len())) else {
        return Err((StatusCode::BAD_REQUEST, "bad sec-websocket-key"));
    };
    let accepted = STANDARD.encode(Sha1::from(format!("{key}{GUID}")).digest().bytes());
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accepted) = HeaderValue::from_str(&accepted) {
        answer.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    }
    // Its names are told apart by case, unlike those of HTTP.
    if words(headers, &SEC_WEBSOCKET_PROTOCOL).any(|word| word == SUBPROTOCOL) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

/// Whether a list of words, over however many headers, has this one.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(token))
}

fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether a request comes from a page that may connect, or from none.
fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origins.iter().any(|welcome| welcome.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin.split_once("://"), host) {
        (Some(("http" | "https", page)), Some(host)) => page.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// `GET /ws`.
pub(super) async fn upgrade(
    State(http): State<Arc<Http>>,
    mut request: Request<Body>,
) -> Response<Body> {
    let origins = &http.gateway.config.web_socket.origins;
    let response = match agree(&request, origins) {
        Ok(response) => response,
        Err((status, words)) => {
            let mut response = Refused::with(status, words).into_response();
            if status == StatusCode::UPGRADE_REQUIRED {
                response.headers_mut().insert(SEC_WEBSOCKET_VERSION, VERSION);
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            }
            return response;
        }
    };
    let Some(from) = request.extensions().get::<CameFrom>().copied() else {
        return Refused::of("internal").into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let sockets = Arc::clone(&http.sockets);
    http.gateway.spawn_for_client("upgrade", async move {
        let parts = match upgraded.await {
            Ok(upgraded) => upgraded.downcast::<TokioIo<Patient>>(),
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it was a WebSocket");
                return;
            }
        };
        match parts {
            Ok(parts) => {
                let stream = parts.io.into_inner().into_inner();
                // That of requests; who does not read is the session's to notice.
                let _ = SockRef::from(stream.tcp()).set_tcp_user_timeout(None);
                sockets.take(stream, from.ip, &parts.read_buf);
            }
            Err(_) => tracing::error!("a connection of HTTP is of no kind that is known"),
        }
    });
    response.map(|()| Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: [(&str, &str); 5] = [
        ("host", "im.example.org:8080"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        // The example of RFC 6455, section 1.3.
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// A request with these headers in place of, or beside, what is usual; without those that are empty.
    fn request(uri: &str, changed: &[(&'static str, &'static str)]) -> Request<String> {
        let mut request = Request::new(String::new());
        *request.uri_mut() = uri.parse().unwrap();
        let headers = request.headers_mut();
        for (name, value) in ASKED.iter().chain(changed) {
            match value.is_empty() {
                true => drop(headers.remove(*name)),
                false => drop(headers.insert(*name, HeaderValue::from_static(value))),
            }
        }
        request
    }

    fn answer(request: &Request<String>) -> Result<Response<()>, u16> {
        let origins = ["https://chat.example.com".to_owned()];
        agree(request, &origins).map_err(|(status, _)| status.as_u16())
    }

    fn ask(uri: &str, changed: &[(&'static str, &'static str)]) -> Result<Response<()>, u16> {
        answer(&request(uri, changed))
    }

    #[test]
    fn the_key_is_answered_and_the_subprotocol_is_chosen_where_it_is_offered() {
        let response = ask("/ws", &[]).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
        let response = ask("/ws", &[("sec-websocket-protocol", "other, mpim.v1")]).unwrap();
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], SUBPROTOCOL);
        let response = ask("/ws", &[("sec-websocket-protocol", "MPIM.V1")]).unwrap();
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn a_handshake_is_a_request_without_a_body_that_http_can_upgrade() {
        let denied = |change: &dyn Fn(&mut Request<String>)| {
            let mut request = request("/ws", &[]);
            change(&mut request);
            answer(&request).unwrap_err()
        };
        assert_eq!(denied(&|request| *request.method_mut() = Method::HEAD), 426);
        assert_eq!(denied(&|request| *request.version_mut() = Version::HTTP_10), 426);
        assert_eq!(denied(&|request| request.body_mut().push_str("frames")), 400);
    }

    #[test]
    fn what_is_no_handshake_of_ours_is_denied() {
        for (uri, changed, status) in [
            ("/ws", ("connection", "keep-alive"), 426),
            ("/ws", ("upgrade", "h2c"), 426),
            ("/ws", ("sec-websocket-version", "8"), 426),
            ("/ws", ("sec-websocket-version", ""), 426),
            ("/ws", ("sec-websocket-key", ""), 400),
            ("/ws", ("sec-websocket-key", "c2hvcnQ="), 400),
            ("/ws", ("sec-websocket-key", "not base64"), 400),
            ("/ws?token=secret", ("x-nothing", "x"), 400),
            ("/ws?a=b&token", ("x-nothing", "x"), 400),
        ] {
            assert_eq!(ask(uri, &[changed]).unwrap_err(), status, "{uri} {changed:?}");
        }
        assert!(ask("/ws?tokens=1", &[]).is_ok());
    }

    #[test]
    fn a_page_of_another_host_is_denied_unless_it_is_listed() {
        for (origin, welcome) in [
            ("http://im.example.org:8080", true),
            ("https://IM.example.org:8080", true),
            ("https://chat.example.com", true),
            ("http://chat.example.com", false),
            ("http://im.example.org", false),
            ("http://im.example.org:8080.evil.org", false),
            ("null", false),
            ("file://im.example.org:8080", false),
        ] {
            let asked = ask("/ws", &[("origin", origin)]);
            assert_eq!(asked.map(|_| ()), if welcome { Ok(()) } else { Err(403) }, "{origin}");
        }
    }
}
