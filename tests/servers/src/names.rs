//! Names that no other test has, in this run or another.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Letters, digits and `_`, beginning with `test_`; at most 64 bytes if `what` has at most 24.
#[expect(clippy::disallowed_methods, reason = "for a name, not for a decision about time")]
pub(crate) fn fresh(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Process ids come again; the time does not.
    let (process, now_ms) = (std::process::id(), since.as_millis());
    let name = format!("test_{what}_{now_ms:x}_{process:x}_{next}");
    assert!(
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= 64,
        "{what:?} makes no name"
    );
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_comes_twice() {
        assert_ne!(fresh("a"), fresh("a"));
    }
}
