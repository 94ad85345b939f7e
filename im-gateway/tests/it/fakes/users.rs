//! im-user, as far as the gateway asks it.

use mpim_proto::{
    AddFriendReq, AddFriendResp, ChangePasswordReq, ChangePasswordResp, GetFriendsReq,
    GetFriendsResp, GetUsersReq, GetUsersResp, Granted, ListDevicesReq, ListDevicesResp, LoginReq,
    LoginResp, LogoutReq, LogoutResp, RefreshReq, RefreshResp, RegisterReq, RegisterResp,
    RemoveFriendReq, RemoveFriendResp, RevokeDeviceReq, RevokeDeviceResp, SetDisabledReq,
    SetDisabledResp, SetRoleReq, SetRoleResp, VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use super::{Asked, Fakes, invalid, ok};

/// What a log-in is given that refreshes.
fn granted(user_id: i64, name: &str, device: &str) -> Granted {
    Granted {
        user_id,
        token: format!("token-{name}"),
        expires_at_ms: 1_790_000_900_000,
        refresh_token: format!("refresh-{name}"),
        refresh_expires_at_ms: 4_102_444_800_000,
        device: device.to_owned(),
        generation: 1,
        username: name.to_owned(),
        ..Granted::default()
    }
}

/// The same at its beginning, where it may not refresh.
fn begun(granted: Granted, refreshes: bool) -> Granted {
    match refreshes {
        true => granted,
        false => Granted { refresh_token: String::new(), refresh_expires_at_ms: 0, ..granted },
    }
}

impl Fakes {
    async fn log_in(
        &self,
        name: String,
        password: String,
        device: String,
        refreshes: bool,
    ) -> Result<LoginResp, Status> {
        self.before("login").await?;
        let mut state = self.state();
        if let Some(verdict) = state.verdict.clone() {
            let (result, retry_after_ms) = (Some(verdict), state.wait_ms);
            return Ok(LoginResp { result, retry_after_ms, ..LoginResp::default() });
        }
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
                granted: Some(Granted {
                    login_id: state.log_in_id.clone(),
                    epoch: 1,
                    ..begun(granted(index as i64 + 1, &name, &device), refreshes)
                }),
                ..LoginResp::default()
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
        self.state().came_from.push(req.address);
        // The original's goes on although its caller has gone.
        let fakes = self.clone();
        let log_in = async move { fakes.log_in(name, password, req.device, req.refreshes).await };
        tokio::spawn(log_in).await.unwrap()
    }

    async fn register(&self, _: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        self.before("register").await?;
        let name = String::from_utf8(req.username.to_vec()).unwrap();
        let password = String::from_utf8(req.password.to_vec()).unwrap();
        let mut state = self.state();
        state.came_from.push(req.address);
        if state.users.iter().any(|(other, _)| *other == name) {
            return Ok(RegisterResp { result: invalid("exists"), ..RegisterResp::default() });
        }
        // The original gives none.
        let token = state.original.as_ref().map_or(format!("token-{name}"), |_| String::new());
        let user_id = state.users.len() as i64 + 1;
        let granted = state.original.is_none().then(|| granted(user_id, &name, &req.device));
        let granted = granted.map(|granted| begun(granted, req.refreshes));
        state.users.push((name, password));
        Ok(RegisterResp { result: ok(), user_id, token, generation: 1, granted })
    }

    async fn refresh(&self, _: &Context, req: RefreshReq) -> Result<RefreshResp, Status> {
        self.before("refresh").await?;
        let mut state = self.state();
        let owner = |(name, _): &(String, String)| format!("refresh-{name}") == req.refresh_token;
        let found = state.users.iter().position(owner);
        // Good once.
        let is_first = state.worthless.insert(req.refresh_token);
        let (Some(index), true) = (found, is_first) else {
            return Ok(RefreshResp { result: invalid("invalid token"), granted: None });
        };
        let name = state.users[index].0.clone();
        let granted = granted(index as i64 + 1, &name, "web");
        Ok(RefreshResp { result: ok(), granted: Some(granted) })
    }

    async fn change_password(
        &self,
        _: &Context,
        req: ChangePasswordReq,
    ) -> Result<ChangePasswordResp, Status> {
        self.before("change_password").await?;
        let [old, new] = [req.old_password, req.new_password]
            .map(|password| String::from_utf8(password.to_vec()).unwrap());
        let mut state = self.state();
        state.came_from.push(req.address);
        if let Some(verdict) = state.verdict.clone() {
            let (result, retry_after_ms) = (Some(verdict), state.wait_ms);
            return Ok(ChangePasswordResp {
                result,
                retry_after_ms,
                ..ChangePasswordResp::default()
            });
        }
        let owner = |(name, _): &(String, String)| format!("token-{name}") == req.token;
        let of_session = req.held.map(|held| usize::try_from(held.user_id - 1).unwrap());
        let Some(index) = of_session.or_else(|| state.users.iter().position(owner)) else {
            let result = invalid("invalid token");
            return Ok(ChangePasswordResp { result, ..ChangePasswordResp::default() });
        };
        if state.users[index].1 != old {
            let result = invalid("bad cred");
            return Ok(ChangePasswordResp { result, ..ChangePasswordResp::default() });
        }
        state.users[index].1 = new;
        let granted = Some(granted(index as i64 + 1, &state.users[index].0, "web"));
        Ok(ChangePasswordResp { result: ok(), granted, ..ChangePasswordResp::default() })
    }

    async fn set_disabled(
        &self,
        _: &Context,
        _: SetDisabledReq,
    ) -> Result<SetDisabledResp, Status> {
        Err(Status::unimplemented("no gateway asks this"))
    }

    async fn set_role(&self, _: &Context, _: SetRoleReq) -> Result<SetRoleResp, Status> {
        Err(Status::unimplemented("no gateway asks this"))
    }

    async fn logout(&self, _: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        if let Some(held) = req.held {
            let asked = if req.everywhere { Asked::RevokeAll } else { Asked::RevokeLogIn };
            self.note(asked(held.login_id.clone()));
            self.before("logout").await?;
            let is_over = self.state().ended.contains(&held.login_id);
            return Ok(LogoutResp {
                result: if is_over { invalid("invalid token") } else { ok() },
            });
        }
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
        if let Some(verdict) = state.verdict.clone() {
            return Ok(VerifyTokenResp { result: Some(verdict), ..VerifyTokenResp::default() });
        }
        if state.original.is_some() {
            return Err(Status::unimplemented("the original has none"));
        }
        if let Some(held) = req.held {
            let ended = state.ended.contains(&held.login_id);
            let result = if ended { invalid("invalid token") } else { ok() };
            return Ok(VerifyTokenResp { result, ..VerifyTokenResp::default() });
        }
        let owner = |(name, _): &(String, String)| format!("token-{name}") == req.token;
        let owner = state.users.iter().position(owner);
        let result = match (state.worthless.contains(&req.token), owner) {
            (false, Some(_)) => state.token_time.map_or_else(ok, invalid),
            _ => invalid("invalid token"),
        };
        let user_id = owner.map_or(0, |index| index as i64 + 1);
        let named = owner.map(|index| state.users[index].0.as_str());
        let granted = named.map(|name| granted(user_id, name, "web"));
        let device = "web".to_owned();
        Ok(VerifyTokenResp { result, user_id, device, granted, ..VerifyTokenResp::default() })
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

    async fn get_users(&self, _: &Context, req: GetUsersReq) -> Result<GetUsersResp, Status> {
        let state = self.state();
        let named = |user_id: i64| {
            let (username, _) = state.users.get(usize::try_from(user_id - 1).ok()?)?;
            Some(mpim_proto::User { user_id, username: username.clone() })
        };
        let place = |username| state.users.iter().position(|(name, _)| name.as_bytes() == username);
        let by_name = req.usernames.iter().filter_map(|username| place(&username[..]));
        let by_name = by_name.map(|index| index as i64 + 1);
        let users = req.user_ids.into_iter().chain(by_name).filter_map(named).collect();
        Ok(GetUsersResp { result: ok(), users })
    }
}
