//! Names and values that travel beside a request.

use std::fmt;

use bytes::Bytes;

use crate::trace::{TRACEPARENT, TRACESTATE};
use crate::{Stage, Status};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// How many entries a call may carry.
pub(crate) const ENTRIES_MAX: usize = 64;

/// A short list of names and values. A name may occur more than once; order is kept.
///
/// Names are 1 to 128 bytes of `a`–`z`, `0`–`9`, `-`, `_` and `.`; values are bytes. A call carries
/// at most 64 entries, which with the method's path take at most 16 KiB. `traceparent` and
/// `tracestate` are set by mprpc (see [`Context::with_trace`](crate::Context::with_trace)), and names
/// that begin with `mprpc-` are kept for it. A call that breaks one of these rules fails before
/// anything of it is sent, with [`Code::InvalidArgument`](crate::Code::InvalidArgument), or, for the
/// size, [`Code::ResourceExhausted`](crate::Code::ResourceExhausted).
///
/// The classic wire carries none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Bytes)>);

impl Metadata {
    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Adds a value, keeping those that `name` has already.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How long all names and values are.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses what a caller may not send. How much it may be as a whole is known only where it is
    /// encoded.
    pub(crate) fn check(&self) -> Result<(), Status> {
        let refuse =
            |text: String| Err(Status::invalid_argument(text).not_executed().at(Stage::Write));
        let entries = self.0.len();
        if entries > ENTRIES_MAX {
            return refuse(format!("{entries} entries of metadata, and at most {ENTRIES_MAX} go"));
        }
        for (name, _) in &self.0 {
            let bytes = name.len();
            if !(1..=NAME_BYTES_MAX).contains(&bytes) {
                return refuse(format!(
                    "a name of {bytes} bytes in the metadata, and it must have 1 to {NAME_BYTES_MAX}"
                ));
            }
            let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
            if !name.bytes().all(allowed) {
                return refuse(format!(
                    "the name {name:?} in the metadata: only a-z, 0-9, `-`, `_` and `.` may stand in it"
                ));
            }
            if name == TRACEPARENT || name == TRACESTATE {
                return refuse(format!(
                    "`{name}` in the metadata: it is set by Context::with_trace"
                ));
            }
            if name.starts_with("mprpc-") {
                return refuse(format!("`{name}` in the metadata: mprpc- is kept for mprpc"));
            }
        }
        Ok(())
    }
}

impl FromIterator<(String, Bytes)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, Bytes)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Names, and how long the values are: they may be credentials, and what is debugged is often logged.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in &self.0 {
            map.entry(name, &format_args!("{} bytes", value.len()));
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_sent_is_refused_by_name() {
        let long = "n".repeat(129);
        for (name, reason) in [
            ("", "0 bytes"),
            (&*long, "129 bytes"),
            ("Authorization", "only a-z"),
            ("a b", "only a-z"),
            ("a\n", "\"a\\n\""),
            ("n\u{e4}me", "only a-z"),
            ("traceparent", "Context::with_trace"),
            ("tracestate", "Context::with_trace"),
            ("mprpc-timing", "kept for mprpc"),
        ] {
            let mut metadata = Metadata::default();
            metadata.push(name, "value");
            let text = metadata.check().unwrap_err().to_string();
            assert!(text.contains(reason), "{name:?}: {text}");
        }
        let metadata: Metadata = (0..65).map(|n| (format!("n{n}"), Bytes::new())).collect();
        assert!(metadata.check().unwrap_err().message().contains("65 entries"));
        let metadata: Metadata = (0..64).map(|n| (format!("n-{n}_x."), Bytes::new())).collect();
        metadata.check().unwrap();
    }
}
