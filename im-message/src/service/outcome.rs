//! What callers are told: results, statuses, and what is wrong with a request.

use im_common::StoreError;
use mpim_proto::{DeviceName, SendOutcome, TEXT_DEVICE};
use mprpc::Status;

use crate::conversation::ConvId;
use crate::proto;
use crate::send::{SendError, Wishes};
use crate::store::{Appended, Reader};

/// Conversations named by one request, and messages acknowledged by one `Ack`.
const NAMED_MAX: usize = 4096;

/// The one place where failures are divided into answers and statuses.
pub(super) fn refusal(error: SendError) -> Result<Option<mpim_proto::Result>, Status> {
    let msg = error.to_string();
    match error {
        SendError::BadSender
        | SendError::EmptyText
        | SendError::BadClientMsgId
        | SendError::BadDevice => Ok(invalid(&msg)),
        SendError::NotMember | SendError::Blocked => {
            Ok(Some(mpim_proto::Result::permission_denied(&msg)))
        }
        SendError::AlreadyMember | SendError::Conflict => {
            Ok(Some(mpim_proto::Result::already_exists(&msg)))
        }
        SendError::TextTooLong => Ok(Some(mpim_proto::Result::too_large(&msg))),
        SendError::NoSuchUser | SendError::NoSuchGroup => {
            Ok(Some(mpim_proto::Result::not_found(&msg)))
        }
        SendError::Overloaded => Err(Status::resource_exhausted(msg)),
        SendError::Store(error) => Err(unavailable(error)),
        SendError::TooSlow => Err(Status::deadline_exceeded(msg)),
        SendError::Closing => Err(Status::unavailable(msg)),
        SendError::Users(status) => Err(status),
    }
}

/// The outcomes of a batch. When the store wrote none of it, the whole call failed; otherwise
/// what was written has to be told, and so the failure of the rest is an outcome.
pub(super) fn outcomes(
    answers: Vec<Result<Appended, SendError>>,
) -> Result<Vec<SendOutcome>, Status> {
    let some_written = answers.iter().any(Result::is_ok);
    let outcome = |answer| match answer {
        Ok(appended) => Ok(outcome(appended)),
        Err(SendError::Store(error)) if some_written => {
            tracing::error!(error = im_common::in_one_line(&error), "a message was not written");
            let result = Some(mpim_proto::Result::internal("not written"));
            Ok(SendOutcome { result, ..SendOutcome::default() })
        }
        Err(error) => Ok(SendOutcome { result: refusal(error)?, ..SendOutcome::default() }),
    };
    answers.into_iter().map(outcome).collect()
}

pub(super) fn outcome(appended: Appended) -> SendOutcome {
    SendOutcome { result: ok(), msg_id: appended.msg_id, seq: appended.seq }
}

pub(crate) fn ok() -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::ok())
}

pub(crate) fn unavailable(error: StoreError) -> Status {
    error.report();
    Status::unavailable(error.to_string())
}

pub(super) fn conv(conv_id: &str) -> Result<ConvId, Status> {
    conv_id.parse().map_err(|_| Status::invalid_argument("malformed conv_id"))
}

/// What a request says about how its messages are sent.
pub(super) fn wishes(receipts: bool, priority: i32, repeatable: bool) -> Result<Wishes, Status> {
    match proto::priority(priority) {
        Some(priority) => Ok(Wishes { receipts, priority, repeatable }),
        None => Err(Status::invalid_argument(format!("no priority is {priority}"))),
    }
}

/// The refusal of an id that no user has.
pub(super) const BAD_USER: &str = "bad user_id";

/// A user as a request names them.
pub(super) fn user(uid: i64) -> Result<i64, Status> {
    if uid > 0 { Ok(uid) } else { Err(Status::invalid_argument(BAD_USER)) }
}

/// A device as a request names it; nothing stands for `text`.
pub(super) fn reader(uid: i64, device: String) -> Result<Reader, Status> {
    let uid = user(uid)?;
    let device = if device.is_empty() { TEXT_DEVICE.to_owned() } else { device };
    match DeviceName::parse(&device) {
        Some(_) => Ok(Reader { uid, device }),
        None => Err(Status::invalid_argument("bad device")),
    }
}

pub(crate) fn bounded(named: usize) -> Result<(), Status> {
    match named {
        0..=NAMED_MAX => Ok(()),
        _ => Err(Status::invalid_argument(format!("more than {NAMED_MAX} named at once"))),
    }
}

/// The longest list that may be asked for: as long as the longest that can be configured.
const ASKED_MAX: i32 = 10_000;

/// The refusal of a range that makes no sense.
pub(crate) const BAD_RANGE: &str = "bad range";
/// The refusal of a length that makes no sense.
pub(crate) const BAD_LIMIT: &str = "bad limit";
/// The refusal of a place in a timeline where nothing can stand.
pub(super) const BAD_SEQ: &str = "bad seq";

/// The length of a list: what was asked for, within what is given at most; 0 asks for the most. `None`,
/// which is refused, for one that makes no sense.
pub(crate) fn limit(asked: i32, most: usize) -> Option<usize> {
    match asked {
        0 => Some(most),
        1..=ASKED_MAX => Some(usize::try_from(asked).map_or(most, |asked| asked.min(most))),
        _ => None,
    }
}

pub(super) fn invalid(msg: &str) -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::invalid(msg))
}

pub(crate) fn out_of_range(msg: &str) -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::out_of_range(msg))
}
