//! Devices, from requests to answers.

use mpim_proto::{ForgetDeviceReq, ForgetDeviceResp, OpenDeviceReq, OpenDeviceResp, user_service};
use mprpc::Status;

use super::MessageService;
use super::outcome::{invalid, ok, reader, unavailable};
use crate::store::Timeline;

/// The refusal of a device that its user does not have any more.
const REVOKED: &str = "device revoked";

impl<T: Timeline, U: user_service::Server> MessageService<T, U> {
    pub(super) async fn open(&self, request: OpenDeviceReq) -> Result<OpenDeviceResp, Status> {
        let reader = reader(request.user_id, request.device)?;
        let generation = counted(request.generation)?;
        let opened = self.store.open_device(&reader, generation).await.map_err(unavailable)?;
        Ok(OpenDeviceResp { result: if opened { ok() } else { invalid(REVOKED) } })
    }

    pub(super) async fn forget(
        &self,
        request: ForgetDeviceReq,
    ) -> Result<ForgetDeviceResp, Status> {
        let reader = reader(request.user_id, request.device)?;
        let generation = counted(request.generation)?;
        self.store.forget_device(&reader, generation).await.map_err(unavailable)?;
        Ok(ForgetDeviceResp { result: ok() })
    }
}

fn counted(generation: i64) -> Result<i64, Status> {
    match generation {
        1.. => Ok(generation),
        _ => Err(Status::invalid_argument("generations are counted from 1")),
    }
}
