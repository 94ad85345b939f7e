//! What etcd is asked and what it answers: its JSON has numbers of 64 bits as strings, and bytes in
//! base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Keys read of one service: far more than it has instances, and few enough to be held.
pub(super) const KEYS_MAX: usize = 4096;

/// An answer to a range.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    /// Whether there are others.
    #[serde(default)]
    pub(super) more: bool,
}

/// As of when an answer is.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub(super) revision: i64,
}

/// A key that is there.
#[derive(Debug, Deserialize)]
pub(super) struct KeyValue {
    #[serde(deserialize_with = "bytes")]
    pub(super) key: Vec<u8>,
    #[serde(default, deserialize_with = "bytes")]
    pub(super) value: Vec<u8>,
    #[serde(deserialize_with = "number")]
    pub(super) create_revision: i64,
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: i64,
    #[serde(default, deserialize_with = "number")]
    pub(super) lease: i64,
}

impl AsRef<[u8]> for KeyValue {
    fn as_ref(&self) -> &[u8] {
        &self.value
    }
}

/// An answer to a transaction.
#[derive(Debug, Deserialize)]
pub(super) struct Txn {
    #[serde(default)]
    pub(super) succeeded: bool,
}

/// An answer to the wish for a lease.
#[derive(Debug, Deserialize)]
pub(super) struct Lease {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: i64,
}

/// An answer to a sign of life.
#[derive(Debug, Deserialize)]
pub(super) struct KeptAlive {
    pub(super) result: Remaining,
}

/// What is left of a lease: nothing, if it has gone.
#[derive(Debug, Deserialize)]
pub(super) struct Remaining {
    #[serde(default, rename = "TTL", deserialize_with = "number")]
    pub(super) seconds: i64,
}

/// Of an answer in which nothing matters.
#[derive(Debug, Deserialize)]
pub(super) struct Done {}

/// All keys below `parent`.
pub(super) fn range_below(parent: &str) -> Value {
    let (key, range_end) = below(parent);
    json!({"key": key, "range_end": range_end, "limit": KEYS_MAX.to_string()})
}

/// One key.
pub(super) fn range_of(key: &str) -> Value {
    json!({"key": encode(key.as_bytes())})
}

/// What happens below `parent` from a revision on.
pub(super) fn watch_below(parent: &str, from: i64) -> Value {
    let (key, range_end) = below(parent);
    let from = from.to_string();
    json!({"create_request": {"key": key, "range_end": range_end, "start_revision": from}})
}

/// Puts a value under a key with a lease, if the key was last changed at that revision; 0 for one
/// that is not there.
pub(super) fn put_if(key: &str, revision: i64, value: &[u8], lease: i64) -> Value {
    let key = encode(key.as_bytes());
    let put = json!({"key": key, "value": encode(value), "lease": lease.to_string()});
    let is = json!({"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string()});
    json!({"compare": [is], "success": [{"request_put": put}]})
}

/// Deletes a key if it was last changed at that revision.
pub(super) fn delete_if(key: &str, revision: i64) -> Value {
    let key = encode(key.as_bytes());
    let is = json!({"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string()});
    json!({"compare": [is], "success": [{"request_delete_range": {"key": key}}]})
}

/// The keys from `parent/` to `parent0`, which is what comes after a slash.
fn below(parent: &str) -> (String, String) {
    (encode(format!("{parent}/").as_bytes()), encode(format!("{parent}0").as_bytes()))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
}
