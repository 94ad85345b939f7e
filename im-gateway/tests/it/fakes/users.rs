//! im-user, as far as the gateway asks it.

use mpim_proto::{
    AddFriendReq, AddFriendResp, GetFriendsReq, GetFriendsResp, GetUsersReq, GetUsersResp,
    ListDevicesReq, ListDevicesResp, LoginReq, LoginResp, LogoutReq, LogoutResp, RefreshReq,
    RefreshResp, RegisterReq, RegisterResp, RemoveFriendReq, RemoveFriendResp, RevokeDeviceReq,
    RevokeDeviceResp, VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use super::{Asked, Fakes, invalid, ok};

impl Fakes {
    async fn log_in(&self, name: String, password: String) -> Result<LoginResp, Status> {
        self.before("login").await?;
        let mut state = self.state();
        let found = state.users.iter().position(|user| *user == (name.clone(), password.clone()));
        if let (Some(index), Some(original)) = (found, &mut state.original) {
            return Ok(original.log_in(index as i64 + 1));
        }
        Ok(match found {
            Some(index) => LoginResp {
                result: ok(),
                user_id: index as i64 + 1,
                token: format!("token-{name}"),
                generation: state.generation.max(1),
                granted: None,
            },
            None => LoginResp { result: invalid("bad cred"), ..LoginResp::default() },
        })
    }
}

impl user_service::Server for Fakes {
    async fn login(&self, _: &Context, req: LoginReq) -> Result<LoginResp, Status> {
        let name = String::from_utf8(req.username.to_vec()).unwrap();
        let password = String::from_utf8(req.password.to_vec()).unwrap();
        self.note(Asked::Login(name.clone()));
        // The original's goes on although its caller has gone.
        let fakes = self.clone();
        tokio::spawn(async move { fakes.log_in(name, password).await }).await.unwrap()
    }

    async fn register(&self, _: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        self.before("register").await?;
        let name = String::from_utf8(req.username.to_vec()).unwrap();
        let password = String::from_utf8(req.password.to_vec()).unwrap();
        let mut state = self.state();
        if state.users.iter().any(|(other, _)| *other == name) {
            return Ok(RegisterResp { result: invalid("exists"), ..RegisterResp::default() });
        }
        // The original gives none.
        let token = state.original.as_ref().map_or(format!("token-{name}"), |_| String::new());
        state.users.push((name, password));
        let user_id = state.users.len() as i64;
        Ok(RegisterResp { result: ok(), user_id, token, generation: 1, granted: None })
    }

    async fn refresh(&self, _: &Context, _: RefreshReq) -> Result<RefreshResp, Status> {
        Err(Status::unimplemented("no gateway asks this"))
    }

    async fn logout(&self, _: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        self.before("logout").await?;
        if let Some(original) = &mut self.state().original {
            original.online.remove(&req.user_id);
        }
        self.note(Asked::Revoke(req.token));
        Ok(LogoutResp { result: ok() })
    }

    async fn verify_token(
        &self,
        _: &Context,
        req: VerifyTokenReq,
    ) -> Result<VerifyTokenResp, Status> {
        self.before("verify_token").await?;
        let state = self.state();
        if state.original.is_some() {
            return Err(Status::unimplemented("the original has none"));
        }
        let result = match state.worthless.contains(&req.token) {
            true => invalid("invalid token"),
            false => state.token_time.map_or_else(ok, invalid),
        };
        Ok(VerifyTokenResp { result, ..VerifyTokenResp::default() })
    }

    async fn list_devices(
        &self,
        _: &Context,
        _: ListDevicesReq,
    ) -> Result<ListDevicesResp, Status> {
        let device =
            |name: &str| mpim_proto::Device { name: name.to_owned(), ..Default::default() };
        Ok(ListDevicesResp { result: ok(), devices: vec![device("text"), device("web:old")] })
    }

    async fn revoke_device(
        &self,
        _: &Context,
        req: RevokeDeviceReq,
    ) -> Result<RevokeDeviceResp, Status> {
        self.note(Asked::PutOut(req.device.clone()));
        self.before("revoke_device").await?;
        let result = match req.device.as_str() {
            "web:old" => ok(),
            _ => Some(mpim_proto::Result::not_found("no such device")),
        };
        Ok(RevokeDeviceResp { result })
    }

    async fn add_friend(&self, _: &Context, req: AddFriendReq) -> Result<AddFriendResp, Status> {
        self.before("add_friend").await?;
        let mut state = self.state();
        let known = usize::try_from(req.friend_id).unwrap() <= state.users.len();
        let result = if !known {
            Some(mpim_proto::Result::not_found("friend not found"))
        } else if state.friends.insert((req.user_id, req.friend_id)) {
            Some(mpim_proto::Result::ok_saying("friend added"))
        } else {
            invalid("already friends")
        };
        Ok(AddFriendResp { result })
    }

    async fn get_friends(&self, _: &Context, req: GetFriendsReq) -> Result<GetFriendsResp, Status> {
        let state = self.state();
        let friends = state.friends.iter().filter(|(user_id, _)| *user_id == req.user_id);
        Ok(GetFriendsResp {
            result: ok(),
            friend_ids: friends.map(|(_, friend)| *friend).collect(),
        })
    }

    async fn remove_friend(
        &self,
        _: &Context,
        req: RemoveFriendReq,
    ) -> Result<RemoveFriendResp, Status> {
        let removed = self.state().friends.remove(&(req.user_id, req.friend_id));
        let result =
            if removed { ok() } else { Some(mpim_proto::Result::not_found("friend not found")) };
        Ok(RemoveFriendResp { result })
    }

    async fn get_users(&self, _: &Context, _: GetUsersReq) -> Result<GetUsersResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}
