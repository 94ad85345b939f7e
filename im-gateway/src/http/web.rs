//! The web client: the files of `web/`, as they stand there.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use foldhash::fast::FixedState;

use super::Http;

/// Scripts, styles, pictures and connections of its own; nothing from elsewhere, and nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// A file of the client.
struct File {
    /// Below `/`.
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal)+) => {
        &[$(File { path: $path, bytes: include_bytes!(concat!("../../../web/", $path)) }),+]
    };
}

/// All of them; a test holds the list against the directory.
#[rustfmt::skip]
const FILES: &[File] = files! {
    "app.js" "core/client.js" "core/conversation.js" "core/device.js" "core/errors.js"
    "core/i18n.js" "core/lock.js" "core/notices.js" "core/outbox.js" "core/peer.js"
    "core/preferences.js" "core/router.js" "core/session.js" "core/socket.js" "core/store.js"
    "core/sync.js" "core/time.js" "core/window.js" "i18n/en.js" "i18n/zh.js" "icon.svg" "index.html"
    "manifest.webmanifest" "styles/base.css" "styles/chat.css" "styles/composer.css"
    "styles/over.css" "styles/pages.css" "styles/parts.css" "styles/phone.css" "styles/shell.css"
    "styles/tokens.css" "vendor/preact.js" "views/banner.js" "views/chat.js" "views/choices.js"
    "views/composer.js" "views/conversations.js" "views/devices.js" "views/dialog.js"
    "views/dialogs.js" "views/friends.js" "views/groups.js" "views/history.js" "views/login.js"
    "views/message.js" "views/parts.js" "views/reader.js" "views/settings.js" "views/shell.js"
    "views/toast.js"
};

/// A route for each file, and `/` for the page.
pub(super) fn routes() -> Router<Arc<Http>> {
    FILES.iter().fold(Router::new(), |router, file| {
        let path = match file.path {
            "index.html" => "/".to_owned(),
            path => format!("/{path}"),
        };
        let tag = file.tag();
        router.route(&path, get(async move |headers: HeaderMap| file.answer(&tag, &headers)))
    })
}

impl File {
    /// What tells its contents from others.
    fn tag(&self) -> String {
        format!("\"{:016x}\"", FixedState::default().hash_one(self.bytes))
    }

    /// The file, or that it is the one that the browser has.
    fn answer(&self, tag: &str, headers: &HeaderMap) -> Response {
        let is_kept = has(headers, tag);
        // It is asked for again each time, since all files are of one version.
        let about = [(ETAG, tag), (CACHE_CONTROL, "no-cache")];
        // What is said with a 304 replaces what the browser has: the stricter policy of the API would.
        let policy = [(CONTENT_SECURITY_POLICY, POLICY)];
        if is_kept {
            return (StatusCode::NOT_MODIFIED, about, policy).into_response();
        }
        (about, policy, [(CONTENT_TYPE, self.kind())], self.bytes).into_response()
    }

    fn kind(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("webmanifest") => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

/// Whether the browser has what has this tag. A proxy that packs what it passes on makes the tag a weak one.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut kept = lists.flat_map(|list| list.split(',')).map(str::trim);
    kept.any(|kept| kept.strip_prefix("W/").unwrap_or(kept) == tag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files_below(directory: &Path, top: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_below(&path, top, found);
            } else {
                found.insert(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_client_is_served_and_none_of_its_tests() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let mut found = BTreeSet::new();
        files_below(&top, &top, &mut found);
        found.retain(|path| !path.starts_with("tests/") && !path.ends_with("README.md"));
        let served: BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(served, found);
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let page = FILES.iter().find(|file| file.path == "index.html").unwrap();
        let tag = page.tag();
        let sent = page.answer(&tag, &HeaderMap::new());
        assert_eq!(
            (sent.status(), &sent.headers()[CONTENT_TYPE]),
            (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert_eq!(sent.headers()[ETAG], tag);
        for (kept, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (format!("W/{tag}"), StatusCode::NOT_MODIFIED),
            (format!("\"other\", {tag}"), StatusCode::NOT_MODIFIED),
            ("\"other\"".to_owned(), StatusCode::OK),
        ] {
            let kept = HeaderMap::from_iter([(IF_NONE_MATCH, kept.parse().unwrap())]);
            let answer = page.answer(&tag, &kept);
            assert_eq!(answer.status(), status, "{kept:?}");
            assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
        }
        assert!(FILES.iter().all(|file| file.kind() != "application/octet-stream"));
    }
}
