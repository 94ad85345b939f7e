//! The failure that the ports to a database share, and an error as one line.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::time::Instant;

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

    /// Counts it in `mpim_store_failures_total`, and logs it unless another was logged less than a
    /// second ago: while a database is away, every call fails with the same. For whoever turns it into
    /// an answer.
    pub fn report(&self) {
        counter!("mpim_store_failures_total", "operation" => self.operation).increment(1);
        if let Some(left_out) = REPORTS.turn(Instant::now()) {
            tracing::error!(error = in_one_line(self), left_out, "operation failed");
        }
    }
}

/// Between two failures that are logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

static REPORTS: Reports = Reports(Mutex::new((None, 0)));

/// When one was last logged, and how many were not since.
struct Reports(Mutex<(Option<Instant>, u64)>);

impl Reports {
    /// How many were left out, if it is time to log one.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < REPORT_INTERVAL) {
            *left_out += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(left_out))
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

    #[tokio::test(start_paused = true)]
    async fn of_failures_in_a_row_one_a_second_is_logged_with_how_many_were_not() {
        let reports = Reports(Mutex::new((None, 0)));
        let turn = || reports.turn(Instant::now());
        assert_eq!((turn(), turn(), turn()), (Some(0), None, None));
        tokio::time::advance(REPORT_INTERVAL).await;
        assert_eq!((turn(), turn()), (Some(2), None));
        tokio::time::advance(REPORT_INTERVAL).await;
        assert_eq!(turn(), Some(1));
    }

    #[test]
    fn a_failed_store_says_what_it_could_not_do_and_why() {
        let error = StoreError::new("add a friend", "disk full");
        assert_eq!(error.to_string(), "cannot add a friend");
        assert_eq!(in_one_line(&error), "cannot add a friend: disk full");
    }
}
