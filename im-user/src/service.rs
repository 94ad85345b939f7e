//! `UserService` as other programs see it: requests in, answers out, nothing decided here.

use mpim_proto::{
    AddFriendReq, AddFriendResp, GetFriendsReq, GetFriendsResp, GetUsersReq, GetUsersResp,
    LoginReq, LoginResp, LogoutReq, LogoutResp, RegisterReq, RegisterResp, RemoveFriendReq,
    RemoveFriendResp, User, VerifyTokenReq, VerifyTokenResp, user_service,
};
use mprpc::{Context, Status};

use crate::error::UserError;
use crate::gone::Gone;
use crate::metrics::{count_log_in, count_registration};
use crate::password::{HashError, Password};
use crate::store::UserStore;
use crate::users::{LoggedIn, Users};

/// The most ids in one `GetUsers`.
const USERS_MAX: usize = 500;

/// The generated trait over the use cases.
#[derive(Debug)]
pub(crate) struct UserService<S> {
    users: Users<S>,
    gone: Option<Gone>,
}

impl<S> UserService<S> {
    pub(crate) fn new(users: Users<S>) -> Self {
        Self { users, gone: None }
    }

    /// The same beside gateways of the original system.
    pub(crate) fn telling(self, gone: Option<Gone>) -> Self {
        Self { gone, ..self }
    }
}

impl<S: UserStore> user_service::Server for UserService<S> {
    async fn login(&self, _cx: &Context, req: LoginReq) -> Result<LoginResp, Status> {
        let outcome = self.users.log_in(&req.username, Password::new(&req.password)).await;
        count_log_in(&outcome);
        let (result, LoggedIn { user_id, token }) = answer("ok", outcome)?;
        Ok(LoginResp { result: Some(result), user_id, token })
    }

    async fn register(&self, _cx: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        let outcome = self.users.register(&req.username, Password::new(&req.password)).await;
        count_registration(&outcome);
        let (result, LoggedIn { user_id, token }) = answer("ok", outcome)?;
        Ok(RegisterResp { result: Some(result), user_id, token })
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
        let (result, user_id) = answer("ok", outcome)?;
        Ok(VerifyTokenResp { result: Some(result), user_id })
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
}

impl Default for LoggedIn {
    /// Nobody, for the answer to a refusal.
    fn default() -> Self {
        Self { user_id: 0, token: String::new() }
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
        E::FriendNotFound => mpim_proto::Result::not_found(&said),
        E::BadUsername
        | E::WeakPassword
        | E::NameTaken
        | E::BadCredentials
        | E::TooManyAttempts
        | E::InvalidToken
        | E::TokenExpired
        | E::BadFriendId
        | E::AlreadyFriends
        | E::TooManyFriends => mpim_proto::Result::invalid(&said),
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
