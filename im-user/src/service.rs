//! `UserService` as other programs see it: requests in, answers out, nothing decided here.

use std::sync::Arc;

use mpim_proto::{
    AddFriendReq, AddFriendResp, Device, GetFriendsReq, GetFriendsResp, GetUsersReq, GetUsersResp,
    ListDevicesReq, ListDevicesResp, LoginReq, LoginResp, LogoutReq, LogoutResp, RegisterReq,
    RegisterResp, RemoveFriendReq, RemoveFriendResp, RevokeDeviceReq, RevokeDeviceResp, User,
    VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use crate::devices::Devices;
use crate::error::UserError;
use crate::gone::Gone;
use crate::metrics::{count_log_in, count_registration};
use crate::neighbours::Neighbours;
use crate::password::{HashError, Password};
use crate::store::UserStore;
use crate::token::Holder;
use crate::users::{LoggedIn, Users};

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
        let outcome = self.devices.log_in(cx, &req.username, password, req.device).await;
        count_log_in(&outcome);
        let (result, LoggedIn { user_id, token, generation }) = answer("ok", outcome)?;
        Ok(LoginResp { result: Some(result), user_id, token, generation })
    }

    async fn register(&self, _cx: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        let password = Password::new(&req.password);
        let outcome = self.devices.register(&req.username, password, req.device).await;
        count_registration(&outcome);
        let (result, LoggedIn { user_id, token, generation }) = answer("ok", outcome)?;
        Ok(RegisterResp { result: Some(result), user_id, token, generation })
    }

    async fn logout(&self, cx: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        let outcome = self.users.log_out(req.user_id, &req.token).await;
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
        let outcome = self.users.token_holder(&req.token).await;
        let (result, Holder { user_id, device, generation }) = answer("ok", outcome)?;
        Ok(VerifyTokenResp { result: Some(result), user_id, device, generation })
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

/// Turns an outcome into the answer's `Result` and content. A refusal is an answer without
/// content, in the words of the error; a failure is a status.
fn answer<T: Default>(
    done: &str,
    outcome: Result<T, UserError>,
) -> Result<(mpim_proto::Result, T), Status> {
    use UserError as E;
    let error = match outcome {
        Ok(content) => return Ok((mpim_proto::Result::ok_saying(done), content)),
        Err(error) => error,
    };
    let said = error.to_string();
    let refusal = match error {
        E::FriendNotFound | E::NoSuchDevice => mpim_proto::Result::not_found(&said),
        E::BadUsername
        | E::WeakPassword
        | E::NameTaken
        | E::BadCredentials
        | E::TooManyAttempts
        | E::InvalidToken
        | E::TokenExpired
        | E::TokenNotYet
        | E::BadFriendId
        | E::AlreadyFriends
        | E::TooManyFriends
        | E::BadDevice
        | E::TooManyDevices => mpim_proto::Result::invalid(&said),
        E::NotOpened(_) => return Err(Status::unavailable(said)),
        E::Hash(HashError::Overloaded) => return Err(Status::resource_exhausted(said)),
        E::Store(error) => {
            error.report();
            return Err(Status::unavailable(said));
        }
        E::Hash(_) | E::Token(_) => {
            tracing::error!(error = im_common::in_one_line(&error), "operation failed");
            return Err(Status::internal(said));
        }
    };
    Ok((refusal, T::default()))
}

#[cfg(test)]
mod tests;
