//! Sending messages, and changing who is a member: everything that goes through a lane.

use im_common::{Priority, StoreError};
use mpim_proto::{DeviceName, TEXT_DEVICE, user_service};
use mprpc::{Context, Status};
use thiserror::Error;

use crate::conversation::ConvId;
use crate::entry::{Content, DedupKey, NewEntry};
use crate::lane::{Answers, LaneError, Lanes};
use crate::store::{AppendError, Appended, Reader};
use crate::users::Users;

/// The longest id that a client may choose, in bytes: twice a UUID as text, and short enough to be
/// in an index.
const CLIENT_MSG_ID_BYTES_MAX: usize = 64;

/// Takes messages to the store.
#[derive(Debug)]
pub(crate) struct Sender<U> {
    pub(crate) lanes: Lanes,
    pub(crate) users: Users<U>,
    pub(crate) text_bytes_max: usize,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    User(i64),
    Group(i64),
}

/// What a sender wants beside being sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// To be told how far others are.
    pub(crate) receipts: bool,
    pub(crate) priority: Priority,
    /// The same may come in another call, now or later.
    pub(crate) repeatable: bool,
}

/// A message that was not checked yet.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Empty: the sender will not repeat it.
    pub(crate) client_msg_id: String,
    pub(crate) text: String,
}

/// Why a message was not sent.
#[derive(Debug, Error)]
pub(crate) enum SendError {
    #[error("bad sender")]
    BadSender,
    #[error("no such user")]
    NoSuchUser,
    #[error("group not found")]
    NoSuchGroup,
    #[error("not a member")]
    NotMember,
    /// The other of the pair shuts the sender out.
    #[error("blocked")]
    Blocked,
    #[error("already in group")]
    AlreadyMember,
    #[error("empty text")]
    EmptyText,
    #[error("text too long")]
    TextTooLong,
    #[error("bad client_msg_id")]
    BadClientMsgId,
    #[error("bad device")]
    BadDevice,
    #[error("conflict")]
    Conflict,
    /// Nothing was written, and nothing will be.
    #[error("too many messages are waiting")]
    Overloaded,
    /// It may have been written: the same again, with the same id, is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It may still be written: the same again, with the same id, is safe.
    #[error("the store did not answer within the deadline")]
    TooSlow,
    #[error("im-message is closing")]
    Closing,
    /// im-user could not be asked. Nothing was written.
    #[error("{0}")]
    Users(Status),
}

impl<U: user_service::Server> Sender<U> {
    /// Sends messages of one sender to one conversation, in their order, and answers for each once
    /// those that could be are durable.
    ///
    /// Cancel safety: once they are in their lane they are written, whether or not somebody waits.
    ///
    /// # Errors
    /// When none of them can be sent; the inner errors are those of single messages.
    pub(crate) async fn send(
        &self,
        cx: &Context,
        from: &Reader,
        to: To,
        drafts: Vec<Draft>,
        wishes: Wishes,
    ) -> Result<Vec<Result<Appended, SendError>>, SendError> {
        let (from, device) = (from.uid, author_device(&from.device)?);
        if from <= 0 {
            return Err(SendError::BadSender);
        }
        let conv = match to {
            To::User(uid) if !self.users.exists(cx, uid).await.map_err(SendError::Users)? => {
                return Err(SendError::NoSuchUser);
            }
            To::User(uid) => ConvId::pair(from, uid),
            To::Group(id) if id <= 0 => return Err(SendError::NoSuchGroup),
            To::Group(id) => ConvId::Group(id),
        };
        let mut entries = Vec::with_capacity(drafts.len());
        let checked: Vec<Result<(), SendError>> = drafts
            .into_iter()
            .map(|draft| {
                let (key, content) = self.check(draft)?;
                let device = device.to_owned();
                let Wishes { receipts, priority, repeatable } = wishes;
                let author = from;
                entries.push(NewEntry {
                    conv,
                    author,
                    key,
                    content,
                    device,
                    receipts,
                    priority,
                    repeatable,
                });
                Ok(())
            })
            .collect();
        // One answer for each that passed the checks, in order.
        let mut answers = self.append(cx, conv, entries).await?.into_iter();
        let outcome = |checked: Result<(), SendError>| {
            checked?;
            Ok(answers.next().ok_or(SendError::Closing)??)
        };
        Ok(checked.into_iter().map(outcome).collect())
    }

    /// Whether a message may have this text.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), SendError> {
        match text.len() {
            0 => Err(SendError::EmptyText),
            length if length > self.text_bytes_max => Err(SendError::TextTooLong),
            _ => Ok(()),
        }
    }

    fn check(&self, draft: Draft) -> Result<(DedupKey, Content), SendError> {
        self.check_text(&draft.text)?;
        let key = match draft.client_msg_id.len() {
            0 => DedupKey::unrepeatable(),
            1..=CLIENT_MSG_ID_BYTES_MAX => DedupKey::client(&draft.client_msg_id),
            _ => return Err(SendError::BadClientMsgId),
        };
        Ok((key, Content::Text(draft.text)))
    }

    /// Makes a user a member of a group, or ends that; the seq of the entry that says so. The same
    /// `change_id` again changes nothing and gives the same answer.
    ///
    /// # Errors
    /// `AlreadyMember` for a second joining, `NotMember` for a leaving without one.
    pub(crate) async fn change_membership(
        &self,
        cx: &Context,
        group_id: i64,
        uid: i64,
        change: Content,
        change_id: &str,
    ) -> Result<i64, SendError> {
        let conv = ConvId::Group(group_id);
        let key = DedupKey::change(change_id);
        let entry = NewEntry {
            conv,
            author: uid,
            key,
            content: change,
            device: String::new(),
            receipts: false,
            priority: Priority::Normal,
            repeatable: false,
        };
        let mut answers = self.append(cx, conv, vec![entry]).await?;
        let answer = answers.pop().ok_or(SendError::Closing)?;
        Ok(answer?.seq)
    }

    async fn append(
        &self,
        cx: &Context,
        conv: ConvId,
        entries: Vec<NewEntry>,
    ) -> Result<Answers, SendError> {
        if entries.is_empty() {
            return Ok(Answers::new());
        }
        let appended = self.lanes.append(conv, entries);
        match tokio::time::timeout_at(cx.deadline(), appended).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(LaneError::Full)) => Err(SendError::Overloaded),
            Ok(Err(LaneError::Closed)) => Err(SendError::Closing),
            Err(_elapsed) => Err(SendError::TooSlow),
        }
    }
}

/// How an author's device is stored: `text`, which most are, as nothing.
fn author_device(device: &str) -> Result<&str, SendError> {
    match device {
        "" | TEXT_DEVICE => Ok(""),
        named => DeviceName::parse(named).map(|_| named).ok_or(SendError::BadDevice),
    }
}

impl From<AppendError> for SendError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NotMember => Self::NotMember,
            AppendError::Blocked => Self::Blocked,
            AppendError::AlreadyMember => Self::AlreadyMember,
            AppendError::NoSuchConversation => Self::NoSuchGroup,
            AppendError::Conflict => Self::Conflict,
            AppendError::Store(error) => Self::Store(error),
        }
    }
}
