//! The services that have to know of devices, as im-user needs them.

use mpim_proto::{
    CloseDeviceReq, ForgetDeviceReq, OpenDeviceReq, message_service, presence_service,
};
use mprpc::{Code, Context, Status};

use crate::store::Revocation;

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
        revoked: &Revocation,
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// Every gateway closes the sessions of the device, and of those that had its name before. Fails
    /// unless all have answered.
    fn close_device(
        &self,
        cx: &Context,
        revoked: &Revocation,
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

    async fn forget_device(&self, cx: &Context, revoked: &Revocation) -> Result<(), Status> {
        let Revocation { user_id, name: device, generation } = revoked.clone();
        let request = ForgetDeviceReq { user_id, device, generation };
        done(message_service::Server::forget_device(&self.message, cx, request).await?.result)
    }

    async fn close_device(&self, cx: &Context, revoked: &Revocation) -> Result<(), Status> {
        let Revocation { user_id, name: device, generation } = revoked.clone();
        let request = CloseDeviceReq {
            user_id,
            device,
            reason: REVOKED.to_owned(),
            generation_max: generation,
            ..CloseDeviceReq::default()
        };
        let answer = presence_service::Server::close_device(&self.presence, cx, request).await?;
        match answer.unreached {
            0 => done(answer.result),
            unreached => Err(Status::unavailable(format!("{unreached} gateways did not answer"))),
        }
    }
}

fn done(result: Option<mpim_proto::Result>) -> Result<(), Status> {
    match result {
        Some(result) if result.is_ok() => Ok(()),
        Some(result) => Err(Status::failed_precondition(result.msg)),
        None => Err(Status::internal("no result")),
    }
}
