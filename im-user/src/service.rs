//! `UserService` as other programs see it: requests in, answers out, nothing decided here.

mod answers;

use std::sync::Arc;

use mpim_proto::{
    AddFriendReq, AddFriendResp, Device, GetFriendsReq, GetFriendsResp, GetUsersReq, GetUsersResp,
    ListDevicesReq, ListDevicesResp, LoginReq, LoginResp, LogoutReq, LogoutResp, RefreshReq,
    RefreshResp, RegisterReq, RegisterResp, RemoveFriendReq, RemoveFriendResp, RevokeDeviceReq,
    RevokeDeviceResp, User, VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use crate::devices::Devices;
use crate::error::UserError;
use crate::gone::Gone;
use crate::grant::Wanted;
use crate::log_out::Whose;
use crate::metrics::{count_log_in, count_registration};
use crate::neighbours::Neighbours;
use crate::password::Password;
use crate::store::UserStore;
use crate::users::Users;
use answers::{answer, answered, short};

/// The most ids in one `GetUsers`.
const USERS_MAX: usize = 500;

/// The generated trait over the use cases.
#[derive(Debug)]
pub(crate) struct UserService<S, N> {
    users: Arc<Users<S>>,
    pub(crate) devices: Arc<Devices<S, N>>,
    gone: Option<Gone>,
}

impl<S, N> UserService<S, N> {
    pub(crate) fn new(devices: Arc<Devices<S, N>>) -> Self {
        Self { users: Arc::clone(&devices.users), devices, gone: None }
    }

    /// The same beside gateways of the original system.
    pub(crate) fn telling(self, gone: Option<Gone>) -> Self {
        Self { gone, ..self }
    }
}

impl<S: UserStore, N: Neighbours> user_service::Server for UserService<S, N> {
    async fn login(&self, cx: &Context, req: LoginReq) -> Result<LoginResp, Status> {
        let password = Password::new(&req.password);
        let wanted = Wanted { device: req.device, refreshes: req.refreshes };
        let outcome = self.devices.log_in(cx, &req.username, password, wanted).await;
        count_log_in(&outcome);
        let (result, granted) = answered("ok", outcome)?;
        let (user_id, token, generation) = short(&granted);
        Ok(LoginResp { result: Some(result), user_id, token, generation, granted })
    }

    async fn register(&self, _cx: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        let password = Password::new(&req.password);
        let wanted = Wanted { device: req.device, refreshes: req.refreshes };
        let outcome = self.devices.register(&req.username, password, wanted).await;
        count_registration(&outcome);
        let (result, granted) = answered("ok", outcome)?;
        let (user_id, token, generation) = short(&granted);
        Ok(RegisterResp { result: Some(result), user_id, token, generation, granted })
    }

    async fn refresh(&self, _cx: &Context, req: RefreshReq) -> Result<RefreshResp, Status> {
        let (result, granted) = answered("ok", self.users.refresh(&req.refresh_token).await)?;
        Ok(RefreshResp { result: Some(result), granted })
    }

    async fn logout(&self, cx: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        let whose = match req.login_id.as_str() {
            "" => Whose::Token(req.token),
            _ => Whose::Session(req.login_id),
        };
        let outcome = self.users.log_out(req.user_id, whose, req.everywhere).await;
        if let (Ok(()), Some(gone), false) = (&outcome, &self.gone, req.unbinds_route) {
            gone.tell(cx, req.user_id).await;
        }
        let (result, ()) = answer("logout success", outcome)?;
        Ok(LogoutResp { result: Some(result) })
    }

    async fn verify_token(
        &self,
        _cx: &Context,
        req: VerifyTokenReq,
    ) -> Result<VerifyTokenResp, Status> {
        let outcome = match req.held {
            Some(held) => self.users.session_holder(answers::held(held)).await,
            None => self.users.token_holder(&req.token).await,
        };
        let (result, granted) = answered("ok", outcome)?;
        let known = granted.clone().unwrap_or_default();
        let (user_id, device, generation) = (known.user_id, known.device, known.generation);
        Ok(VerifyTokenResp { result: Some(result), user_id, device, generation, granted })
    }

    async fn add_friend(&self, _cx: &Context, req: AddFriendReq) -> Result<AddFriendResp, Status> {
        let outcome = self.users.add_friend(req.user_id, req.friend_id).await;
        let (result, ()) = answer("friend added", outcome)?;
        Ok(AddFriendResp { result: Some(result) })
    }

    async fn remove_friend(
        &self,
        _cx: &Context,
        req: RemoveFriendReq,
    ) -> Result<RemoveFriendResp, Status> {
        let outcome = self.users.remove_friend(req.user_id, req.friend_id).await;
        let (result, ()) = answer("friend removed", outcome)?;
        Ok(RemoveFriendResp { result: Some(result) })
    }

    async fn get_friends(
        &self,
        _cx: &Context,
        req: GetFriendsReq,
    ) -> Result<GetFriendsResp, Status> {
        let (result, friend_ids) = answer("ok", self.users.friends(req.user_id).await)?;
        Ok(GetFriendsResp { result: Some(result), friend_ids })
    }

    async fn get_users(&self, _cx: &Context, req: GetUsersReq) -> Result<GetUsersResp, Status> {
        if req.user_ids.len() > USERS_MAX {
            return Err(Status::invalid_argument(format!(
                "GetUsers takes at most {USERS_MAX} ids, not {}",
                req.user_ids.len()
            )));
        }
        let outcome = self.users.store.profiles(req.user_ids).await;
        let (result, profiles) = answer("ok", outcome.map_err(UserError::from))?;
        let user = |profile: crate::store::Profile| User {
            user_id: profile.user_id,
            username: profile.name,
        };
        let users = profiles.into_iter().map(user).collect();
        Ok(GetUsersResp { result: Some(result), users })
    }

    async fn list_devices(
        &self,
        _cx: &Context,
        req: ListDevicesReq,
    ) -> Result<ListDevicesResp, Status> {
        let (result, devices) = answer("ok", self.devices.of(req.user_id).await)?;
        let device = |device: crate::store::Device| Device {
            name: device.name,
            generation: device.generation,
            since_ms: device.since_ms,
            last_login_ms: device.last_login_ms,
        };
        let devices = devices.into_iter().map(device).collect();
        Ok(ListDevicesResp { result: Some(result), devices })
    }

    async fn revoke_device(
        &self,
        _cx: &Context,
        req: RevokeDeviceReq,
    ) -> Result<RevokeDeviceResp, Status> {
        let outcome = self.devices.revoke(req.user_id, req.device).await;
        let (result, ()) = answer("revoked", outcome)?;
        Ok(RevokeDeviceResp { result: Some(result) })
    }
}

#[cfg(test)]
mod tests;
