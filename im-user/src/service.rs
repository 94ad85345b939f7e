//! `UserService` as other programs see it: requests in, answers out, nothing decided here.

mod answers;

use std::sync::Arc;
use std::time::Duration;

use mpim_proto::{
    AddFriendReq, AddFriendResp, ChangePasswordReq, ChangePasswordResp, CreateApiKeyReq,
    CreateApiKeyResp, CreateBotReq, CreateBotResp, Device, GetFriendsReq, GetFriendsResp,
    GetUsersReq, GetUsersResp, ListApiKeysReq, ListApiKeysResp, ListDevicesReq, ListDevicesResp,
    LoginReq, LoginResp, LogoutReq, LogoutResp, RefreshReq, RefreshResp, RegisterReq, RegisterResp,
    RemoveFriendReq, RemoveFriendResp, RevokeApiKeyReq, RevokeApiKeyResp, RevokeDeviceReq,
    RevokeDeviceResp, Role, SetDisabledReq, SetDisabledResp, SetRoleReq, SetRoleResp, User,
    VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use crate::bots::Made;
use crate::devices::Devices;
use crate::friends::Friends;
use crate::gone::Gone;
use crate::grant::Wanted;
use crate::log_out::Whose;
use crate::metrics::{count_log_in, count_registration};
use crate::neighbours::Neighbours;
use crate::password::Password;
use crate::store::UserStore;
use crate::users::Users;
use answers::{answer, answered, key_as_said, retry_after_ms, short};

/// What refreshing a log-in may take: as long as the store tries.
const REFRESH_MAX: Duration = Duration::from_secs(10);
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
        let outcome = self.devices.log_in(cx, &req.username, password, wanted, &req.address).await;
        count_log_in(&outcome);
        let retry_after_ms = retry_after_ms(&outcome);
        let (result, granted) = answered("ok", outcome)?;
        let (user_id, token, generation) = short(&granted);
        Ok(LoginResp { result: Some(result), user_id, token, generation, granted, retry_after_ms })
    }

    async fn register(&self, _cx: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        let password = Password::new(&req.password);
        let wanted = Wanted { device: req.device, refreshes: req.refreshes };
        let outcome = self.devices.register(&req.username, password, wanted, &req.address).await;
        count_registration(&outcome);
        let retry_after_ms = retry_after_ms(&outcome);
        let (result, granted) = answered("ok", outcome)?;
        let (user_id, token, generation) = short(&granted);
        let result = Some(result);
        Ok(RegisterResp { result, user_id, token, generation, granted, retry_after_ms })
    }

    async fn refresh(&self, cx: &Context, req: RefreshReq) -> Result<RefreshResp, Status> {
        let users = Arc::clone(&self.users);
        // A caller that goes away leaves nothing half done: what ended is counted, and others are told.
        let work =
            cx.detach(REFRESH_MAX, |_| async move { users.refresh(&req.refresh_token).await });
        let (result, granted) = answered("ok", work?.await?)?;
        Ok(RefreshResp { result: Some(result), granted })
    }

    async fn change_password(
        &self,
        _cx: &Context,
        req: ChangePasswordReq,
    ) -> Result<ChangePasswordResp, Status> {
        let [old, new] = [req.old_password, req.new_password].map(|it| Password::new(&it));
        let whose = match req.held {
            Some(said) => Whose::session(said),
            None => Whose::Token(req.token),
        };
        let outcome = self.users.change_password(whose, old, new, &req.address).await;
        let retry_after_ms = retry_after_ms(&outcome);
        let (result, granted) = answered("password changed", outcome)?;
        Ok(ChangePasswordResp { result: Some(result), granted, retry_after_ms })
    }

    async fn set_disabled(
        &self,
        _cx: &Context,
        req: SetDisabledReq,
    ) -> Result<SetDisabledResp, Status> {
        let outcome = self.users.set_disabled(req.user_id, req.disabled).await;
        let (result, ()) = answer("ok", outcome)?;
        Ok(SetDisabledResp { result: Some(result) })
    }

    async fn set_role(&self, _cx: &Context, req: SetRoleReq) -> Result<SetRoleResp, Status> {
        let Ok(role) = Role::try_from(req.role) else {
            return Err(Status::invalid_argument("no such role"));
        };
        let (result, ()) = answer("ok", self.users.set_role(req.user_id, role).await)?;
        Ok(SetRoleResp { result: Some(result) })
    }

    async fn create_bot(&self, _cx: &Context, req: CreateBotReq) -> Result<CreateBotResp, Status> {
        let (result, user_id) = answer("ok", self.users.create_bot(&req.username).await)?;
        Ok(CreateBotResp { result: Some(result), user_id })
    }

    async fn create_api_key(
        &self,
        _cx: &Context,
        req: CreateApiKeyReq,
    ) -> Result<CreateApiKeyResp, Status> {
        let outcome = self.users.make_key(req.user_id, &req.label, req.ttl_s).await;
        let (result, made) = answer("ok", outcome)?;
        let Made { text: key, key_id, expires_at_ms } = made;
        Ok(CreateApiKeyResp { result: Some(result), key, key_id, expires_at_ms })
    }

    async fn list_api_keys(
        &self,
        _cx: &Context,
        req: ListApiKeysReq,
    ) -> Result<ListApiKeysResp, Status> {
        let (result, keys) = answer("ok", self.users.keys(req.user_id).await)?;
        let keys = keys.into_iter().map(key_as_said).collect();
        Ok(ListApiKeysResp { result: Some(result), keys })
    }

    async fn revoke_api_key(
        &self,
        _cx: &Context,
        req: RevokeApiKeyReq,
    ) -> Result<RevokeApiKeyResp, Status> {
        let (result, ()) = answer("revoked", self.users.revoke_key(req.key_id).await)?;
        Ok(RevokeApiKeyResp { result: Some(result) })
    }

    async fn logout(&self, cx: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        let whose = match req.held {
            Some(said) => Whose::session(said),
            None => Whose::Token(req.token),
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
        cx: &Context,
        req: VerifyTokenReq,
    ) -> Result<VerifyTokenResp, Status> {
        let outcome = match req.held {
            Some(said) => self.users.session_holder(said.into()).await,
            None => self.devices.token_holder(cx, &req.token).await,
        };
        let (result, granted) = answered("ok", outcome)?;
        let known = granted.clone().unwrap_or_default();
        let (user_id, device, generation) = (known.user_id, known.device, known.generation);
        Ok(VerifyTokenResp { result: Some(result), user_id, device, generation, granted })
    }

    async fn add_friend(&self, cx: &Context, req: AddFriendReq) -> Result<AddFriendResp, Status> {
        let outcome = self.devices.add_friend(cx, req.user_id, req.friend_id).await;
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
        cx: &Context,
        req: GetFriendsReq,
    ) -> Result<GetFriendsResp, Status> {
        let outcome = self.devices.friends(cx, req.user_id, req.blocked).await;
        let (result, Friends { all, blocked }) = answer("ok", outcome)?;
        Ok(GetFriendsResp { result: Some(result), friend_ids: all, blocked_ids: blocked })
    }

    async fn get_users(&self, _cx: &Context, req: GetUsersReq) -> Result<GetUsersResp, Status> {
        let asked = req.user_ids.len() + req.usernames.len();
        if asked > USERS_MAX {
            return Err(Status::invalid_argument(format!(
                "GetUsers takes at most {USERS_MAX} users, not {asked}"
            )));
        }
        let outcome = self.users.profiles(req.user_ids, &req.usernames).await;
        let (result, profiles) = answer("ok", outcome)?;
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
