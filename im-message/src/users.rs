//! Who exists: im-user knows, and what it affirmed is remembered.

use std::time::Duration;

use moka::future::Cache;
use mpim_proto::{GetUsersReq, user_service};
use mprpc::{Code, Context, Status};

use crate::config::UsersConfig;

/// Asks im-user, through any implementation of its contract.
#[derive(Debug)]
pub(crate) struct Users<U> {
    service: U,
    /// Users are never deleted, so an affirmation holds for ever. A denial does not: the user may
    /// register the next moment, and a message to them must go through then.
    existing: Cache<i64, ()>,
    timeout: Duration,
}

impl<U: user_service::Server> Users<U> {
    pub(crate) fn new(service: U, config: &UsersConfig) -> Self {
        Self {
            service,
            existing: Cache::new(config.cached_max),
            timeout: Duration::from_millis(config.timeout_ms),
        }
    }

    /// Whether a user exists. Cancel safe.
    ///
    /// # Errors
    /// `UNAVAILABLE` when im-user gives no answer.
    pub(crate) async fn exists(&self, cx: &Context, uid: i64) -> Result<bool, Status> {
        if uid <= 0 {
            return Ok(false);
        }
        // Not `contains_key`, which the cache does not count as a use: once full, it would turn every
        // newcomer away for not being used more than those it has.
        if self.existing.get(&uid).await.is_some() {
            return Ok(true);
        }
        let cx = cx.capped(self.timeout);
        let call = self.service.get_users(&cx, GetUsersReq { user_ids: vec![uid] });
        let answer = tokio::time::timeout_at(cx.deadline(), call).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            // An im-user of the original system, which tells nobody who exists: as there, a message
            // to nobody waits for ever.
            Ok(Err(status)) if status.code() == Code::Unimplemented => return Ok(true),
            Ok(Err(status)) => return Err(Status::unavailable(format!("im-user: {status}"))),
            Err(_elapsed) => return Err(Status::unavailable("im-user did not answer in time")),
        };
        match answer.result {
            Some(result) if !result.is_ok() => {
                return Err(Status::unavailable(format!("im-user: {}", result.msg)));
            }
            _ => {}
        }
        let exists = answer.users.iter().any(|user| user.user_id == uid);
        if exists {
            self.existing.insert(uid, ()).await;
        }
        Ok(exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::neighbours;

    #[tokio::test]
    async fn once_the_cache_is_full_a_newcomer_who_is_written_to_often_is_remembered() {
        let im_user = neighbours::Users::new([1, 2]);
        let config = UsersConfig { cached_max: 1, timeout_ms: 1_000 };
        let users = Users::new(im_user.clone(), &config);
        for uid in [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2] {
            let cx = Context::with_timeout(Duration::from_secs(10));
            assert!(users.exists(&cx, uid).await.unwrap());
            users.existing.run_pending_tasks().await;
        }
        assert!(im_user.asked() < 5, "asked {} times", im_user.asked());
    }
}
