//! Outcomes of the use cases as answers.

use mprpc::Status;

use crate::error::UserError;
use crate::grant::Granted;
use crate::password::HashError;
use crate::store::{ApiKey, Held};

/// Turns an outcome into the answer's `Result` and content. A refusal is an answer without
/// content, in the words of the error; a failure is a status.
pub(super) fn answer<T: Default>(
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
        E::Disabled | E::NotAllowed => mpim_proto::Result::permission_denied(&said),
        E::FriendNotFound | E::NoSuchDevice | E::NoSuchKey | E::NoSuchUser => {
            mpim_proto::Result::not_found(&said)
        }
        E::BadUsername
        | E::WeakPassword
        | E::NameTaken
        | E::BadCredentials
        | E::TooManyAttempts(_)
        | E::InvalidToken
        | E::TokenExpired
        | E::TokenNotYet
        | E::NoBot
        | E::BadLabel
        | E::TooManyKeys
        | E::BadFriendId
        | E::AlreadyFriends
        | E::TooManyFriends
        | E::BadDevice
        | E::TooManyDevices => mpim_proto::Result::invalid(&said),
        E::NotOpened(_) | E::NotAsked(_) => return Err(Status::unavailable(said)),
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

/// The same for what somebody is given.
pub(super) fn answered(
    done: &str,
    outcome: Result<Granted, UserError>,
) -> Result<(mpim_proto::Result, Option<mpim_proto::Granted>), Status> {
    let (result, granted) = answer(done, outcome.map(Some))?;
    Ok((result, granted.map(granted_as_said)))
}

/// After how long somebody may try again who was refused for having failed too often; otherwise 0.
pub(super) fn retry_after_ms<T>(outcome: &Result<T, UserError>) -> i64 {
    match outcome {
        Err(UserError::TooManyAttempts(wait_ms)) => *wait_ms,
        _ => 0,
    }
}

/// What callers are told who know of no more: user, token and generation.
pub(super) fn short(granted: &Option<mpim_proto::Granted>) -> (i64, String, i64) {
    match granted {
        Some(granted) => (granted.user_id, granted.token.clone(), granted.generation),
        None => Default::default(),
    }
}

fn granted_as_said(granted: Granted) -> mpim_proto::Granted {
    let Held { user_id, device, generation, log_in_id, epoch } = granted.held;
    mpim_proto::Granted {
        user_id,
        token: granted.token,
        expires_at_ms: granted.expires_at_ms,
        refresh_token: granted.refresh_token,
        refresh_expires_at_ms: granted.refresh_expires_at_ms,
        device,
        generation,
        role: granted.role.into(),
        login_id: log_in_id,
        epoch,
        username: granted.name,
    }
}

/// What is said of a key after it was made.
pub(super) fn key_as_said(key: ApiKey) -> mpim_proto::ApiKey {
    let ApiKey { key_id, device, created_at_ms, expires_at_ms, last_used_at_ms, .. } = key;
    mpim_proto::ApiKey { key_id, device, created_at_ms, expires_at_ms, last_used_at_ms }
}
