//! Waiting for a condition.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// How long anything that should happen soon may take before the test fails. Far above what it
/// takes: the machine may be busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `probe` answers `Ok`, and gives that. Each `Err` says what was seen instead.
///
/// # Panics
/// When that takes longer than [`DEADLINE`], with what was seen last.
pub async fn until<T, E: Display>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + DEADLINE;
    let mut seen = "nothing".to_owned();
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(state)) => seen = state.to_string(),
            Err(_) => panic!("waited {DEADLINE:?} until {what}; last seen: {seen}"),
        }
        let pause = tokio::time::sleep(PAUSE);
        if timeout_at(deadline, pause).await.is_err() {
            panic!("waited {DEADLINE:?} until {what}; last seen: {seen}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_until_the_condition_holds() {
        let mut looks = 0;
        let found = until("the third look", async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "until pigs fly; last seen: a pig on the ground")]
    async fn a_failure_says_what_was_seen_last() {
        until("pigs fly", async || Err::<(), _>("a pig on the ground")).await;
    }
}
