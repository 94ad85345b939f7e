//! The log of calls that fail. When a service is down, every session's calls do, several times a
//! second: one line a second says as much.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use mprpc::Status;

/// See the module.
#[derive(Debug)]
pub(crate) struct Complaints {
    limiter: DefaultDirectRateLimiter,
}

impl Complaints {
    pub(crate) fn new() -> Self {
        Self { limiter: RateLimiter::direct(Quota::per_second(NonZeroU32::MIN)) }
    }

    /// A call for `operation` has failed. Answers whether that was told at level WARN.
    pub(crate) fn failed(&self, operation: &'static str, status: &Status) -> bool {
        let told = self.limiter.check().is_ok();
        if told {
            tracing::warn!(operation, %status, "a service does not do what it is asked for");
        } else {
            tracing::debug!(operation, %status, "nor this");
        }
        told
    }

    /// What a service answers that was told something and not asked: a refusal says that we are wrong,
    /// and saying it again would not help. It is dropped; what is told next includes it.
    pub(crate) fn refused(&self, operation: &'static str, result: Option<mpim_proto::Result>) {
        if let Some(result) = result.filter(|result| !result.is_ok()) {
            self.failed(operation, &Status::internal(result.msg));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_down_does_not_fill_the_log() {
        let complaints = Complaints::new();
        let down = Status::unavailable("down");
        let told = (0..1_000).filter(|_| complaints.failed("FetchRange", &down)).count();
        assert!((1..=2).contains(&told), "{told}");
    }
}
