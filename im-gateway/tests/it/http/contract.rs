//! What the contract promises, what the document describes, and the files that are served as they are.

use std::collections::BTreeSet;

use serde_json::json;

use crate::system::System;

#[tokio::test]
async fn the_document_describes_the_routes_and_the_page_shows_it() {
    let system = System::start().await;
    let document = system.get("", "/api/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
    let send = &document["paths"]["/api/messages"]["post"];
    assert!(send["requestBody"].is_object() && send["responses"]["409"].is_object(), "{send}");
    assert!(document["components"]["schemas"]["Problem"].is_object());
    assert_eq!(document["paths"]["/api/login"]["post"]["security"], json!([{}]));
    let page = system.get("", "/docs/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html"));
    let script = system.get("", "/docs/swagger-initializer.js").await;
    assert_eq!(script.status, 200);
    assert_eq!(system.get("", "/docs/nothing").await.refusal().0, 404);
}

/// Methods and paths of the table in section 6 of the contract.
fn promised() -> BTreeSet<(String, String)> {
    let contract = include_str!("../../../../docs/CLIENTS.md");
    let rows = contract.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let mut promised = BTreeSet::new();
    for (what, _) in rows {
        for part in what.trim_end_matches(" (open)").split("; ") {
            let mut words = part.split(", ").flat_map(|word| word.split(' '));
            let mut methods = Vec::new();
            for word in words.by_ref() {
                match word.strip_prefix("/api/") {
                    Some(_) => promised.extend(
                        methods.iter().map(|method: &String| (method.clone(), word.to_owned())),
                    ),
                    None => methods.push(word.to_lowercase()),
                }
            }
        }
    }
    promised
}

#[tokio::test]
async fn the_contract_promises_what_there_is() {
    let system = System::start().await;
    let document = system.get("", "/api/openapi.json").await.body;
    let mut there = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        there.extend(item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
    }
    assert_eq!(promised(), there);
    let statuses = document["paths"]["/api/me"]["get"]["responses"].as_object().unwrap();
    let contract = include_str!("../../../../docs/CLIENTS.md");
    let (_, codes) = contract.split_once("| message | code | status | HTTP |").unwrap();
    let codes = codes.lines().skip(2).take_while(|line| line.starts_with('|'));
    for row in codes {
        let status = row.trim_end_matches(" |").rsplit(' ').next().unwrap();
        assert!(statuses.contains_key(status), "{row}");
    }
}

#[tokio::test]
async fn the_web_client_is_at_the_top_and_its_page_may_run_nothing_but_its_own() {
    let system = System::start().await;
    let page = system.get("", "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("script-src 'self';"), "{page:?}");
    let script = system.get("", "/core/store.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let tag = format!("if-none-match: {}", script.header("etag"));
    assert_eq!(system.request("GET", "/core/store.js", &[&tag], b"").await.status, 304);
    assert_eq!(system.get("", "/tests/package.json").await.refusal().0, 404);
    assert_eq!(system.get("", "/core/../../Cargo.toml").await.refusal().0, 404);
}
