//! The failure that the ports to a database share, and an error as one line.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A database did not do it, through no fault of the request. After a write it is unknown whether it
/// happened.
///
/// What the port of every store answers, whatever the adapter. Clones are the same failure, for all
/// those whose work was done as one.
#[derive(Clone, Debug)]
pub struct StoreError {
    operation: &'static str,
    source: Arc<dyn Error + Send + Sync>,
}

impl StoreError {
    /// `operation` completes "cannot …": `add a friend`.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, source: Arc::from(source.into()) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)
    }
}

impl Error for StoreError {
    /// What the adapter said, and not the `Arc` that a derived one would give: it can be downcast.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// An error with its causes, for a log or a terminal. Some errors name their cause in their own
/// text, too: once is enough.
#[must_use]
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        match parts.last_mut() {
            Some(last) if last.contains(&cause) => {}
            Some(last) if cause.starts_with(last.as_str()) => *last = cause,
            _ => parts.push(cause),
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("im-user: cannot listen: {0}")]
    struct Listen(#[source] std::io::Error);

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let error = anyhow::Error::new(Listen(std::io::Error::other("in use"))).context("im-user");
        assert_eq!(in_one_line(error.as_ref()), "im-user: cannot listen: in use");
        let error = anyhow::anyhow!("in use").context("cannot listen").context("im-user");
        assert_eq!(in_one_line(error.as_ref()), "im-user: cannot listen: in use");
    }

    #[test]
    fn a_failed_store_says_what_it_could_not_do_and_why() {
        let error = StoreError::new("add a friend", "disk full");
        assert_eq!(error.to_string(), "cannot add a friend");
        assert_eq!(in_one_line(&error), "cannot add a friend: disk full");
    }
}
