//! The services that have to know of devices and of what ended, or who know who shuts out whom, as im-user
//! needs them.

use mpim_proto::{
    CloseDeviceReq, CloseEndedReq, CloseSessionsResp, ForgetDeviceReq, ListBlockedReq,
    OpenDeviceReq, message_service, presence_service,
};
use mprpc::{Code, Context, Status};

use crate::store::{EndedLogIns, RevokedDevice};

/// What the user of a session of a revoked device is told.
const REVOKED: &str = "device revoked";

/// im-message and im-presence.
pub(crate) trait Neighbours: Send + Sync + 'static {
    /// im-message settles where a device begins. The same again changes nothing.
    fn open_device(
        &self,
        cx: &Context,
        user_id: i64,
        device: &str,
        generation: i64,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// im-message forgets the device, unless a younger one has its name.
    fn forget_device(
        &self,
        cx: &Context,
        revoked: &RevokedDevice,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// Whom a user shuts out: by ascending id from the one after `after`, at most `limit` (0: as many as
    /// im-message gives at a time), and whether there are more.
    fn blocked(
        &self,
        cx: &Context,
        by: i64,
        after: i64,
        limit: i32,
    ) -> impl Future<Output = Result<(Vec<i64>, bool), Status>> + Send;

    /// Every gateway closes the sessions of a device, also those of what had its name before. Fails unless
    /// all have answered, and those are known to be all.
    fn close_device(
        &self,
        cx: &Context,
        revoked: &RevokedDevice,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// Every gateway closes what these log-ins have open. Fails as closing those of a device does, and if
    /// one of them, or im-presence, does not know how.
    fn close_log_ins(
        &self,
        cx: &Context,
        ended: &[EndedLogIns],
    ) -> impl Future<Output = Result<(), Status>> + Send;
}

/// The services themselves.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) message: message_service::Client,
    pub(crate) presence: presence_service::Client,
}

impl Neighbours for Services {
    async fn open_device(
        &self,
        cx: &Context,
        user_id: i64,
        device: &str,
        generation: i64,
    ) -> Result<(), Status> {
        let request = OpenDeviceReq { user_id, device: device.to_owned(), generation };
        match message_service::Server::open_device(&self.message, cx, request).await {
            Ok(answer) => done(answer.result),
            // One of the original system, which has one place for each user.
            Err(status) if status.code() == Code::Unimplemented => Ok(()),
            Err(status) => Err(status),
        }
    }

    async fn forget_device(&self, cx: &Context, revoked: &RevokedDevice) -> Result<(), Status> {
        let RevokedDevice { user_id, name: device, generation } = revoked.clone();
        let request = ForgetDeviceReq { user_id, device, generation };
        done(message_service::Server::forget_device(&self.message, cx, request).await?.result)
    }

    async fn blocked(
        &self,
        cx: &Context,
        by: i64,
        after: i64,
        limit: i32,
    ) -> Result<(Vec<i64>, bool), Status> {
        let request = ListBlockedReq { user_id: by, after_user_id: after, limit };
        match message_service::Server::list_blocked(&self.message, cx, request).await {
            Ok(page) => done(page.result).map(|()| (page.user_ids, page.more)),
            // One of the original system, where nobody is shut out.
            Err(status) if status.code() == Code::Unimplemented => Ok((Vec::new(), false)),
            Err(status) => Err(status),
        }
    }

    async fn close_device(&self, cx: &Context, revoked: &RevokedDevice) -> Result<(), Status> {
        let RevokedDevice { user_id, name: device, generation: generation_max } = revoked.clone();
        let reason = REVOKED.to_owned();
        let request =
            CloseDeviceReq { user_id, device, reason, generation_max, ..CloseDeviceReq::default() };
        closed(presence_service::Server::close_device(&self.presence, cx, request).await?)
    }

    async fn close_log_ins(&self, cx: &Context, ended: &[EndedLogIns]) -> Result<(), Status> {
        let said = |ended: &EndedLogIns| mpim_proto::EndedLogIns {
            user_id: ended.user_id,
            login_id: ended.log_in_id.clone(),
            epoch_max: ended.epoch,
            except_login_id: ended.except_log_in_id.clone(),
            reason: ended.reason.clone(),
        };
        let request = CloseEndedReq { ended: ended.iter().map(said).collect() };
        closed(presence_service::Server::close_log_ins(&self.presence, cx, request).await?)
    }
}

/// Whether no gateway can have a session that was to be closed.
fn closed(answer: CloseSessionsResp) -> Result<(), Status> {
    match answer.unreached {
        0 if answer.incomplete => Err(Status::unavailable("not all gateways could be listed")),
        0 => done(answer.result),
        unreached => Err(Status::unavailable(format!("{unreached} gateways did not answer"))),
    }
}

fn done(result: Option<mpim_proto::Result>) -> Result<(), Status> {
    match result {
        Some(result) if result.is_ok() => Ok(()),
        Some(result) => Err(Status::failed_precondition(result.msg)),
        None => Err(Status::internal("no result")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_closed_once_every_gateway_that_there_may_be_has_answered() {
        let result = Some(mpim_proto::Result::ok());
        let all = CloseSessionsResp { result, unreached: 0, incomplete: false };
        closed(all.clone()).unwrap();
        for not_all in [
            CloseSessionsResp { unreached: 1, ..all.clone() },
            CloseSessionsResp { incomplete: true, ..all.clone() },
        ] {
            assert_eq!(closed(not_all).unwrap_err().code(), Code::Unavailable);
        }
        let refused = Some(mpim_proto::Result::invalid("no"));
        assert!(closed(CloseSessionsResp { result: refused, ..all }).is_err());
        assert!(closed(CloseSessionsResp { result: None, ..all }).is_err());
    }
}
