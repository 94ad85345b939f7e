//! Who exists: im-user knows, and what it affirmed is remembered.

use std::time::Duration;

use moka::future::Cache;
use mpim_proto::{GetUsersReq, user_service};
use mprpc::{Context, Status};

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
        if self.existing.contains_key(&uid) {
            return Ok(true);
        }
        let cx = cx.capped(self.timeout);
        let call = self.service.get_users(&cx, GetUsersReq { user_ids: vec![uid] });
        let answer = tokio::time::timeout_at(cx.deadline(), call).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
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
