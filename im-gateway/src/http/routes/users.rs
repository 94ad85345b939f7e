//! Users, by their ids or by their names.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Reply};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::names::ids;
use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, Asked, Done};

/// Who is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Wanted {
    /// At most 100, with commas between them. Either this or `username`.
    #[param(example = "8,9", pattern = r"^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,99}$")]
    ids: Option<String>,
    /// The name of one. Either this or `ids`.
    #[param(min_length = 1)]
    username: Option<String>,
}

/// Those of them that exist.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Users {
    users: Vec<Named>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Named {
    user_id: i64,
    username: String,
    nickname: String,
}

#[utoipa::path(get, path = "/api/users", tag = "users", params(Wanted),
    responses((status = 200, body = Done<Users>), Problems))]
/// Users by their ids, or one by the name. Who does not exist is left out.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Answer<Users> {
    let command = match (wanted.ids, wanted.username) {
        (Some(list), None) => Command::Users { user_ids: ids(&list)? },
        (None, Some(username)) if !username.is_empty() => Command::UserNamed { username },
        _ => return Err(Refused::of("bad query: either ids or username")),
    };
    let named = |user: im_wire::User| Named {
        user_id: user.user_id,
        nickname: user.username.clone(),
        username: user.username,
    };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::Users(users) => {
            Ok(Done::with(Users { users: users.into_iter().map(named).collect() }))
        }
        other => Err(Refused::from(other)),
    }
}
